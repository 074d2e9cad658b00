"""A folder as storage that drops, repeats and delays what it carries and fills up, and a disk that kills its writer."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from prep.files import HOLDER, LOCK
from prep.storage.folder import Folder
from prep.storage.storage import ConnectionLost, StorageError

Fault = Literal["none", "kill", "disk full", "drop", "repeat", "delay", "full"]
SMALL = 300  # bytes of a piece, so that small files have several


class Killed(Exception):
    """As a kill would end a command: nothing is written afterwards, no clean-up runs."""


class FaultyFolder(Folder):
    """The fault happens at the transfer number `when`; the storage stays full once it is."""

    def __init__(self, path: Path, fault: Fault, when: int) -> None:
        super().__init__(path)
        self.fault, self.when, self.count = fault, when, 0
        self.late: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The file in small pieces, of which one may be repeated, or be the last before the connection breaks."""
        due = self._due()
        content = b"".join(super().stream(name, start))
        for offset in range(0, len(content), SMALL):
            piece = content[offset : offset + SMALL]
            yield piece
            if due and self.fault == "drop":
                raise ConnectionLost(f"{self}: the connection breaks")
            if due and self.fault == "repeat":
                due = False
                yield piece

    def write(self, name: str, content: bytes | Path) -> None:
        """Written at once, or after the transfer that follows, or refused."""
        due = self._due()
        if self.fault == "full" and self.count > self.when:
            raise StorageError(f"{self}: the server has no space left")
        if due and self.fault == "delay":
            self.late.append((name, content.read_bytes() if isinstance(content, Path) else content))
        else:
            super().write(name, content)

    def arrive(self) -> None:
        """Write what is late."""
        for name, content in self.late:
            super().write(name, content)
        self.late.clear()

    def _due(self) -> bool:
        with self._lock:
            self.count += 1
            return self.count == self.when


@contextmanager
def faulty_disk(fault: Fault, when: int) -> Iterator[None]:
    """At step number `when` of writing to the disk the writer dies, or the disk is full; and so at every later step."""
    count, lock = 0, threading.Lock()

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def one(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            # A dead process holds no lock, so the lock is left to its holder here.
            if getattr(args[0] if args else None, "name", "") not in (LOCK, HOLDER):
                with lock:
                    count += 1
                if count >= when and fault == "kill":
                    raise Killed
                if count >= when and fault == "disk full" and work not in (kept_unlink, kept_rmtree):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return work(*args, **kwargs)

        return one

    kept_unlink, kept_rmtree = Path.unlink, shutil.rmtree
    with pytest.MonkeyPatch.context() as patch:
        if fault in ("kill", "disk full"):
            for where, name in (
                (os, "fsync"),
                (Path, "rename"),
                (Path, "replace"),
                (Path, "unlink"),
                (Path, "write_bytes"),
                (shutil, "copyfile"),
                (shutil, "rmtree"),
            ):
                patch.setattr(where, name, counted(getattr(where, name)))
        yield
