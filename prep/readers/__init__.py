"""One file per raw form of a data set; prep/forms.py says what each offers."""
