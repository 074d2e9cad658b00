"""The folder beside a store's place in which it is made: one writer at a time, and a full disk said in words."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from prep.clip import PrepError


@contextmanager
def locked(working: Path) -> Iterator[None]:
    """Make the folder and hold it; it goes again when nothing was put into it.

    Raises PrepError when somebody else holds it; the lock falls with its process.
    """
    working.mkdir(parents=True, exist_ok=True)
    with (working / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PrepError(
                f"{working}: another command is writing here. Wait for it, or choose another --out."
            ) from error
        try:
            yield
        finally:
            if [left.name for left in working.glob("*")] == ["lock"]:
                (working / "lock").unlink()
                working.rmdir()


@contextmanager
def full_disk(working: Path) -> Iterator[None]:
    """A full disk becomes a PrepError; what was written so far stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise PrepError(
            f"{working}: the disk is full. Free some space and run the same command; it continues."
        ) from error


def save(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write beside the name, flush to the disk, rename: a part is whole or not there."""
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.writing")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
