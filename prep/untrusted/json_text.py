"""JSON from untrusted files, bounded in memory and depth before it is parsed: documents, and files of coordinates."""

from __future__ import annotations

import json
from typing import Any

from prep.errors import BadFile
from prep.untrusted.files import without_mark

# Python takes about 60 bytes for an empty list, which has 3 in the text. Our files have at least 24 per list or object.
BYTES_PER_CONTAINER = 24
FREE_CONTAINERS = 1_000
# Two numbers in brackets are at least six bytes, with a comma behind them. Small texts may have any content.
LEAST_BYTES_PER_LIST, ANY_CONTENT = 4, 65_536


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


def parse_lists(data: bytes, where: str, largest: int) -> Any:
    """The value in a text of at most `largest` bytes. Raises BadFile, naming `where`.

    For each byte of text, a list without entries would take twenty bytes of memory; one with numbers takes about ten. A
    byte order mark at the beginning is ignored.

    >>> parse_lists(b'{"a": [1, 0.5, null]}', "here", largest=100)
    {'a': [1, 0.5, None]}
    """
    import orjson

    if len(data) > largest:
        raise BadFile(f"{where}: has {len(data)} bytes; such a file has at most {largest}. Fetch the file again.")
    text = without_mark(data, where)
    lists = text.count(b"[") + text.count(b"{")
    if lists * LEAST_BYTES_PER_LIST > len(text) + ANY_CONTENT:
        rule = f"holds {lists} lists in {len(text)} bytes, so most of them are empty or of one number"
        raise BadFile(f"{where}: {rule}. Fetch the file again.")
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, MemoryError) as error:
        raise BadFile(f"{where}: is not readable as JSON: {error}. Fetch the file again.") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
