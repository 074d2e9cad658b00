"""One file per intermediate form that users already hold; prep/formats.py says what each offers."""
