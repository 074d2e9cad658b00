"""Videos and class names to embeddings in a store."""
