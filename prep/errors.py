"""What every room of prep raises."""

from __future__ import annotations


class PrepError(Exception):
    """Something about raw data, preprocessing or stores that the user can fix; the text names file, rule and remedy."""


class BadFile(PrepError):
    """One raw file breaks its format. A build lists it and goes on with the others."""
