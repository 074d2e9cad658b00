"""Storage in a folder on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from prep.errors import BadFile
from prep.files import FULL, writing
from prep.storage.storage import LARGEST, PIECE, StorageError, too_large
from prep.untrusted.files import check_regular


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str, limit: int = LARGEST) -> bytes:
        """All bytes of one file. Raises StorageError if it has more than `limit`, or is no regular file."""
        with self._open(name) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise too_large(self, name, size, limit)
            return file.read()

    def read_all(self, limits: Mapping[str, int]) -> dict[str, bytes]:
        """All bytes of several files, each of at most so many bytes; absent ones are left out."""
        return {name: self.read(name, limit) for name, limit in limits.items() if (self.path / name).is_file()}

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Sizes of several files in bytes; absent ones are left out."""
        return {name: (self.path / name).stat().st_size for name in names if (self.path / name).is_file()}

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, in pieces."""
        with self._open(name) as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file whole or not at all. Raises StorageError for a full disk or a missing permission."""
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with writing(target) as temporary:
                if isinstance(content, Path):
                    shutil.copyfile(content, temporary)
                else:
                    temporary.write_bytes(content)
        except OSError as error:
            raise StorageError(f"{target}: cannot be written ({error.strerror}). {_remedy(error)}") from error

    def check_ranges(self, name: str) -> None:
        """Byte ranges of local files can always be read."""

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        path = self.path / name
        try:
            check_regular(path)
            file = path.open("rb")
        except NotADirectoryError as error:
            raise FileNotFoundError(error.filename) from error
        except PermissionError as error:
            raise StorageError(f"{path}: you have no permission to read it. Change its permissions.") from error
        except BadFile as error:
            raise StorageError(str(error)) from error
        with file:
            yield file

    @property
    def backend(self) -> Path:
        """The folder."""
        return self.path

    def backend_errors(self) -> AbstractContextManager[None]:
        """No translation: `Store` words the errors of local files."""
        return nullcontext()


def _remedy(error: OSError) -> str:
    if error.errno in FULL:
        return "The disk is full: free some space and run the same command; it continues."
    return "Choose a folder that you may write to, or change its permissions."
