"""From an image of any size to polygons on disk."""
