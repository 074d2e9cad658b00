"""One decoder per file, behind the interface in prep/video/decoders/_decoder.py."""
