"""One few-shot method per file."""
