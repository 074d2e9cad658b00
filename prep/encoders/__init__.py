"""One video and text encoder per file, behind the contract in prep/encoders/_encoder.py."""
