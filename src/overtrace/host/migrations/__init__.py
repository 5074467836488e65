"""How the schema of a host's database came to be, step by step."""
