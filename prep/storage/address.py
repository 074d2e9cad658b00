"""A path or URL to its storage."""

from __future__ import annotations

from pathlib import Path

from prep.storage.folder import Folder
from prep.storage.storage import Storage, StorageError

SCHEMES = ("http", "https", "s3")


def is_remote(location: str | Path) -> bool:
    """True for a URL of a server, False for a path.

    >>> is_remote("s3://bucket/store.zarr"), is_remote("stores/ntu.zarr")
    (True, False)
    """
    return str(location).partition("://")[0] in SCHEMES and "://" in str(location)


def storage_at(location: str | Path) -> Storage:
    """The storage at a path or URL, not contacted yet. Raises StorageError for a URL of another scheme."""
    if is_remote(location):
        from prep.storage.remote import Remote

        return Remote(str(location))
    scheme, separator, rest = str(location).partition("://")
    if separator and scheme != "file":
        raise StorageError(f"{location}: `{scheme}` is not a scheme for stores. Use a path, file, http, https or s3.")
    return Folder(Path(rest if separator else location))
