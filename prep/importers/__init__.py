"""One file per intermediate file format; prep/formats.py documents the contract."""
