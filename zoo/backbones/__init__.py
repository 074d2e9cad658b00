"""Backbones, one per file; `_backbone.py` is the contract."""
