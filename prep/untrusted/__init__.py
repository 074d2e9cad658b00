"""Readers of untrusted input: no size, name or pickle of a file is believed before it is checked."""
