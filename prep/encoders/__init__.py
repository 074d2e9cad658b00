"""One video and text encoder per file, behind the contract in prep/encoder.py."""
