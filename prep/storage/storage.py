"""Storage: files by name, read and written in the same way in a folder and on a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from prep.errors import PrepError

PIECE = 2**20  # bytes of a file read at once
LARGEST = 64 * 2**20  # bytes of a file that is read whole; a header or a manifest has a few hundred kB at most


class StorageError(PrepError):
    """A storage cannot be reached or refuses an operation; the text names the remedy."""


def too_large(storage: object, name: str, size: int, limit: int) -> StorageError:
    """The error for a file that has more bytes than are read whole."""
    rule = f"{size:,} bytes, at most {limit:,} are read"
    return StorageError(f"{storage}: {name} has {rule}. Check that this is a store.")


class ConnectionLost(StorageError):
    """A connection broke and every retry failed. The bytes received so far are valid; a caller may ask for the rest."""


class Storage(Protocol):
    """Files by name (forward slashes, relative to the root). `str(storage)` is its path or URL.

    Methods raise FileNotFoundError for an absent file and StorageError if the storage itself fails.
    """

    def read(self, name: str, limit: int = LARGEST) -> bytes:
        """All bytes of one file. Raises StorageError if it has more than `limit`."""

    def read_all(self, limits: Mapping[str, int]) -> dict[str, bytes]:
        """All bytes of several small files by name, each of at most so many bytes; absent ones are left out."""

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Sizes of several files in bytes; absent ones are left out."""

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, in pieces. Raises ConnectionLost if the connection breaks for good."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write these bytes, or the content of this local file: all of them or none. Raises StorageError."""

    def check_ranges(self, name: str) -> None:
        """Raise StorageError unless byte ranges of the file `name` can be read."""

    @property
    def backend(self) -> Any:
        """What zarr opens: a Path, or an obstore store."""

    def backend_errors(self) -> AbstractContextManager[None]:
        """Context that turns errors of `backend` into StorageError."""
