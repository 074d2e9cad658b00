"""One file per raw form of a data set; prep/formats.py says what each offers."""
