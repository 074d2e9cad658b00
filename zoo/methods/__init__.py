"""Few-shot methods, one per file; `_method.py` is the contract."""
