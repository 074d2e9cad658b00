"""JSON files of coordinates, of unknown origin, in memory bounded by the size of the text.

For each byte of text, a list without entries would take twenty bytes of memory; one with numbers takes about ten.
"""

from __future__ import annotations

from typing import Any

from prep.errors import BadFile
from prep.untrusted.files import without_mark

# Two numbers in brackets are at least six bytes, with a comma behind them. Small texts may have any content.
LEAST_BYTES_PER_LIST, ANY_CONTENT = 4, 65_536


def parse_lists(data: bytes, where: str, largest: int) -> Any:
    """The value in a text of at most `largest` bytes. Raises BadFile, naming `where`.

    A byte order mark at the beginning is ignored.

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
