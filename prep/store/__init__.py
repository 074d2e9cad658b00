"""The store format: the only room that imports zarr."""
