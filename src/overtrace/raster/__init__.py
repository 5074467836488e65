"""Open images of any size, read windows of them, and say where they lie on the ground."""
