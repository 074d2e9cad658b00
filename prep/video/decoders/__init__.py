"""One decoder per file, behind the interface in prep/video/decoder.py."""
