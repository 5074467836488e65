"""What each contest asks for: how truth is read, an answer checked, and the score settled."""
