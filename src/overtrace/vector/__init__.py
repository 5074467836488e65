"""Labels to polygons: shared arcs, simplification, tables on disk."""
