"""One pre-training stage per file."""
