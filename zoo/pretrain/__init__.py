"""Pre-training stages, one per file; `_stage.py` is the contract."""
