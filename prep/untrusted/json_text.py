"""JSON from untrusted files, bounded in memory and depth before it is parsed."""

from __future__ import annotations

import json
from typing import Any

# Python takes about 60 bytes for an empty list, which has 3 in the text. Our files have at least 24 per list or object.
BYTES_PER_CONTAINER = 24
FREE_CONTAINERS = 1_000


def parse_json(text: bytes) -> Any:
    """The value of a JSON document; its memory is at most about eight times the text.

    Raises ValueError for text that is not JSON, NaN and infinities, too many lists and objects for its length, and too
    deep nesting.

    >>> parse_json(b'{"format": 4}')
    {'format': 4}
    >>> parse_json(b"[" + b"[]," * 10_000 + b"[]]")
    Traceback (most recent call last):
    ValueError: 10002 lists and objects in 30004 bytes, at most 2250 are read
    """
    containers, most = text.count(b"{") + text.count(b"["), FREE_CONTAINERS + len(text) // BYTES_PER_CONTAINER
    if containers > most:
        raise ValueError(f"{containers} lists and objects in {len(text)} bytes, at most {most} are read")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("its lists are nested too deep") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
