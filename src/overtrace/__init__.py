"""Trace every tree crown, building and scene region in an image of any size."""

__version__ = "0.1.0"
