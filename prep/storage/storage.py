"""What a place is: files by name, read and written alike wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from prep.errors import PrepError

PIECE = 2**20  # bytes of a file read at once


class StorageError(PrepError):
    """A place cannot be reached, or does not do what is needed of it; the text says what to change."""


class ConnectionLost(StorageError):
    """A connection broke and stayed broken; what arrived so far is good, and the rest can be asked for."""


class Storage(Protocol):
    """Files by name (forward slashes, below the place's root). `str(place)` is its path or URL.

    Methods raise FileNotFoundError where a file is absent and StorageError where the place itself fails.
    """

    def read(self, name: str) -> bytes:
        """All bytes of one file."""

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Several files at once; absent ones are left out."""

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Bytes of several files; absent ones are left out."""

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, piece by piece. Raises ConnectionLost where the connection breaks for good."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Put these bytes, or this file's, under a name: all of them or none. Raises StorageError."""

    def check_ranges(self, name: str) -> None:
        """Raise StorageError unless pieces of the file `name` can be asked for."""

    def absent(self) -> str:
        """What to tell the user when there is no store here."""

    @property
    def handle(self) -> Any:
        """What reads arrays here: a Path, or an obstore store."""

    def reading(self) -> AbstractContextManager[None]:
        """Within it, what goes wrong with `handle` is a StorageError."""
