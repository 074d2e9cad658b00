"""Digests: sha256 in hexadecimal, of values and as shown to a person."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(value: Any) -> str:
    """sha256 of a JSON value; the order of keys does not matter.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def short(digest: str) -> str:
    """The first twelve digits, for messages.

    >>> short("0123456789abcdef")
    '0123456789ab'
    """
    return digest[:12]
