"""Readers of labelled imagery as its owners publish it."""
