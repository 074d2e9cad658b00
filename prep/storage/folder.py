"""A place on this machine: a folder of files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from uuid import uuid4

from prep.storage.storage import PIECE, StorageError


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes:
        """All bytes of one file."""
        try:
            return (self.path / name).read_bytes()
        except NotADirectoryError as error:
            raise FileNotFoundError(error.filename) from error
        except PermissionError as error:
            raise StorageError(f"{self.path / name}: you have no right to read it.") from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Several files; absent ones are left out."""
        return {name: self.read(name) for name in names if (self.path / name).is_file()}

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Bytes of several files; absent ones are left out."""
        return {name: (self.path / name).stat().st_size for name in names if (self.path / name).is_file()}

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, piece by piece."""
        with (self.path / name).open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece

    def write(self, name: str, content: bytes | Path) -> None:
        """Write beside the name, flush to the disk, rename. Raises StorageError for want of space or rights."""
        target = self.path / name
        temporary = target.with_name(f"{target.name}.{uuid4().hex}.writing")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                for piece in [content] if isinstance(content, bytes) else Folder(content.parent).stream(content.name):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            if temporary.exists():
                temporary.unlink()
            raise StorageError(f"{target}: cannot be written ({error.strerror}). {_remedy(error)}") from error

    def check_ranges(self, name: str) -> None:
        """A folder always can."""

    def absent(self) -> str:
        """What to tell the user when there is no store here."""
        if self.path.is_dir():
            return f"{self.path}: has no manifest.json, so it is unfinished or no store. Build or fetch it again."
        if self.path.with_name(self.path.name + ".building").is_dir():
            return f"{self.path}: the build is not finished. Run the same `fsprep build` again; it continues."
        if self.path.with_name(self.path.name + ".pulling").is_dir():
            return f"{self.path}: not all of it is fetched. Run the same `fsprep pull` again; it continues."
        return f"{self.path}: no store there. `fsprep list` shows the stores; `fsprep build` makes one."

    @property
    def handle(self) -> Path:
        """The path."""
        return self.path

    def reading(self) -> AbstractContextManager[None]:
        """Errors of a folder are the store's to word."""
        return nullcontext()


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: free some space and run the same command; it continues."
    return "Choose a place that you may write to, or change its rights."
