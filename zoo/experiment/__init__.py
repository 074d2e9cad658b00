"""Recipe to result: resolution, preparation, run folder, tables."""
