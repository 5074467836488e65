"""Planes to instances: seeds, their union across blocks, bounded growth, statistics."""
