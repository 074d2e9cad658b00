"""Raw files to a store, part by part."""
