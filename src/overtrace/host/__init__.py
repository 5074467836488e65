"""A contest: teams, submissions, boards, and the scoring of what is sent in."""
