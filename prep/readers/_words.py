"""Words of a text, for error messages."""

from __future__ import annotations


def word_at(data: bytes, position: int = 0) -> str:
    """The word that begins at byte `position`, at most 40 bytes, without control characters.

    >>> word_at(b"0.1 a\\0 7", 4)
    'a\\\\x00'
    """
    return (data[position : position + 40].split() or [b""])[0].decode("latin-1").encode("unicode_escape").decode()
