"""A path or URL to the place it means."""

from __future__ import annotations

from pathlib import Path

from prep.storage.folder import Folder
from prep.storage.storage import Storage, StorageError

SCHEMES = ("http", "https", "s3")


def is_remote(where: str | Path) -> bool:
    """Whether it is a URL rather than a path.

    >>> is_remote("s3://bucket/store.zarr"), is_remote("stores/ntu.zarr")
    (True, False)
    """
    return str(where).partition("://")[0] in SCHEMES and "://" in str(where)


def storage_at(where: str | Path) -> Storage:
    """The place at a path or URL; nothing is asked of it yet. Raises StorageError for a URL of another scheme."""
    if is_remote(where):
        from prep.storage.remote import Remote

        return Remote(str(where))
    scheme, found, rest = str(where).partition("://")
    if found and scheme != "file":
        raise StorageError(f"{where}: `{scheme}` is not a scheme for stores. Use a path, file, http, https or s3.")
    return Folder(Path(rest if found else where))
