"""One file per intermediate form that users already hold; prep/forms.py says what each offers."""
