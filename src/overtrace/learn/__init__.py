"""Train a network, export it to one model file, quantise it."""
