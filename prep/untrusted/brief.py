"""Values of untrusted input in error messages."""

from __future__ import annotations

from typing import Any

import numpy as np

LONGEST = 40


def brief(value: Any) -> str:
    """A short text for any plain value; its cost does not grow with the size or the depth of the value.

    Text is quoted and cut, small numbers are written out, and everything else is given by its type: `str` of a nested
    list could need hours, and `str` of an integer of 5,000 digits is an error.

    >>> brief("walk"), brief(7), brief(np.int64(-1)), brief(10**5000), brief([[1]])
    ("'walk'", '7', '-1', 'a large int', 'a list')
    """
    if isinstance(value, str | bytes):
        text = repr(value[:LONGEST])
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    if isinstance(value, np.number):
        value = value.item()
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a large int"
    return str(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
