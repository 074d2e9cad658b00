"""Text of unknown encoding."""

from __future__ import annotations

from typing import Any


def text_of(name: Any) -> Any:
    """Bytes as text, in UTF-8 or else in Latin-1; anything else as it is.

    >>> text_of("größe".encode()), text_of("größe".encode("latin-1"))
    ('größe', 'größe')
    """
    if not isinstance(name, bytes):
        return name
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
