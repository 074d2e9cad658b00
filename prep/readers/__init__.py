"""One module per raw file format of a dataset; each exports a `Format` (prep/formats.py)."""
