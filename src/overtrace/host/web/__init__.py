"""The pages of a host and its JSON: each route parses, calls one function, answers."""
