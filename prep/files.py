"""Writing files so that a kill, a full disk or a second writer leaves nothing half done.

One atomic write, one lock, and one wording of what the operating system refuses. Every room that writes uses these.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from prep.errors import PrepError

if TYPE_CHECKING:
    from filelock import FileLock

WRITING = ".writing"  # suffix of a file that is not yet whole
LOCK = "lock"
HOLDER = f"{LOCK}.holder{WRITING}"  # beside the lock: who holds it
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR)
REFUSED = (
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY),  # something of another kind is there
    *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO),  # of the device
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create `folder` if needed and hold its lock; an empty folder is removed again at the end.

    The lock is released when its process ends, however it ends. What killed writers left behind is cleared.
    Raises PrepError, which names the process, when another one holds it.
    """
    from filelock import FileLock

    lock = FileLock(folder / LOCK)
    _acquire(lock, folder)
    try:
        (folder / HOLDER).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        for left in folder.rglob(f"*{WRITING}"):
            if left != folder / HOLDER:
                remove(left)
        yield
    finally:
        # Unlinked before the release: a process that opened the old file meanwhile notices and does not lock it.
        for name in (HOLDER, LOCK):
            (folder / name).unlink(missing_ok=True)
        lock.release()
        _remove_empty(folder)


def _acquire(lock: FileLock, folder: Path) -> None:
    from filelock import Timeout

    holder = ""
    for left in reversed(range(20)):  # one second for a process that has the lock and has not written its number yet
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0 if (holder := _holder(folder)) else 0.05)
            return
        except (FileNotFoundError, FileExistsError):  # its last writer removed the folder meanwhile
            if not left:
                raise
        except Timeout:
            if holder:
                break
    rule = f"another command is writing here, {holder or 'a process that does not give its number'}"
    raise PrepError(f"{folder}: {rule}. Wait for it, or choose another --out.")


def _remove_empty(folder: Path) -> None:
    """Remove an empty folder unless another writer comes into it, or removes it, meanwhile.

    One that is in use is left untried: a parent without rights, or a mount, would refuse it with other errors.
    """
    try:
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, *TAKEN):
            raise


def _holder(folder: Path) -> str:
    """The process that holds the lock of a folder, in words; "" before it has written that."""
    try:
        return (folder / HOLDER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn a full disk, a size limit and a refused permission into a PrepError; what was written so far stays."""
    try:
        yield
    except OSError as error:
        if explained := disk_error(error, target):
            raise explained from error
        raise


def disk_error(error: OSError, target: Path | str, action: str = "written") -> PrepError | None:
    """The PrepError for a full disk, a size limit or a refused path ("cannot be <action>"); None for other errors."""
    # numpy raises a short write without an error number.
    short_write = error.errno is None and "requested and" in str(error)
    if error.errno in FULL or short_write:
        return PrepError(
            f"{target}: the disk is full, or a size limit was reached. "
            "Free some space and run the same command; it continues."
        )
    if error.errno in REFUSED:
        where = error.filename or target
        reason = os.strerror(error.errno)
        return PrepError(f"{where}: cannot be {action} ({reason}). Choose another folder, or change its rights.")
    return None


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` for a file or folder; it takes the place of `path` when the block ends well.

    Files are flushed to the disk before the rename, so after a kill `path` is the old one or the new one, whole. After
    an error the temporary is removed. A folder cannot replace a folder that is not empty.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}{WRITING}")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        _flush_entry(path.parent)
    except BaseException:
        remove(temporary)
        raise


def atomic_write(path: Path, content: bytes | str | Callable[[BinaryIO], None]) -> None:
    """Write one file whole or not at all: its bytes, its text (UTF-8), or what a function writes into it."""
    with writing(path) as temporary:
        if callable(content):
            with temporary.open("wb") as file:
                content(file)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def flush(path: Path) -> None:
    """Flush a file, or a folder with everything below it, to the disk."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if entry.is_file() or entry.is_dir():
            _flush_entry(entry)


def _flush_entry(path: Path) -> None:
    """Flush one file, or the names in one folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(complete: Path, target: Path) -> None:
    """Move a flushed file or folder to its final name, durably. Raises PrepError if something is there meanwhile."""
    try:
        if target.is_file():  # a rename would replace it
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        complete.rename(target)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        raise PrepError(f"{target}: another command wrote it meanwhile. Run the same command again.") from error
    _flush_entry(target.parent)


def clear(folder: Path) -> None:
    """Remove everything in a folder but its lock, which `locked` removes."""
    for path in folder.iterdir():
        if path.name not in (LOCK, HOLDER):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
