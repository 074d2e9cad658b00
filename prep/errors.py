"""Errors that users can fix."""

from __future__ import annotations


class PrepError(Exception):
    """A fault in raw data, preprocessing or a store; the text names the file, the rule and the remedy."""


class BadFile(PrepError):
    """One raw file violates its format. A build lists it and converts the others."""
