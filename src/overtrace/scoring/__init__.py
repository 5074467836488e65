"""The one scorer that training, the command line and the contest host use."""
