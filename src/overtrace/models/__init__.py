"""The model file: its card, the runtimes that run it, and the files that are shipped."""
