"""The commands of fszoo, one per file."""
