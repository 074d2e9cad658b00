"""Single files to and from a storage: several at once, resumed after a broken connection, checked by their sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from prep.curate.verify import verify
from prep.errors import PrepError
from prep.files import remove
from prep.progress import Step, Work
from prep.storage.storage import ConnectionLost, Storage
from prep.store.manifest import AGAIN, FileEntry, file_digest
from prep.store.read import Store

PARTIAL = ".partial"
ItemT = TypeVar("ItemT")
Report = Callable[[int], None]  # called with a number of bytes that arrived; negative: they must be sent again


class ShareError(PrepError):
    """A store cannot be sent or fetched as requested; the text says what to change."""


class _Stopped(Exception):
    """Another file failed, so this one is left as it is."""


def in_parallel(work: Callable[[ItemT, Report], None], items: Sequence[ItemT], jobs: int, total: int) -> Iterator[Step]:
    """Do `work` for every item in `jobs` threads; the steps count the bytes, of `total`, that it reports.

    Raises the first error after the other threads have stopped.
    """
    reports: SimpleQueue[int | Exception | None] = SimpleQueue()
    stopped = Event()

    def report(count: int) -> None:
        if stopped.is_set():
            raise _Stopped
        reports.put(count)

    def run(item: ItemT) -> None:
        try:
            if not stopped.is_set():
                work(item, report)
            reports.put(None)
        except Exception as error:
            reports.put(error)
            stopped.set()

    done, left = 0, len(items)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                pool.submit(run, item)
            while left:
                count = reports.get()
                if isinstance(count, Exception):
                    raise count
                left, done = left - (count is None), done + (count or 0)
                yield Step(done, total)
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def verifying(store: Store) -> Work[None]:
    """`verify` as a stage of a transfer, whose steps count bytes. Raises StoreError, KeyMismatch."""
    size = sum(entry.bytes for entry in store.files.values())
    for step in verify(store):
        yield Step(size * step.done // step.total, size, "verifying", step.note)


def forged(storage: Storage, folder: Path, error: PrepError) -> ShareError:
    """The error for files that arrived as listed and are not what their digest stands for."""
    reason = str(error).replace(f"{folder}: ", "").replace(f" {AGAIN}", "")
    return ShareError(f"{storage}: its files are not the store that its digest stands for: {reason} Do not trust it.")


def check_space(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Raise ShareError unless the disk has space for `files`; bytes that are in `folder` already count."""
    present = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed = sum(entry.bytes for entry in files.values()) - present
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ShareError(f"{folder}: {needed / 1e9:,.2f} GB are needed and {free / 1e9:,.2f} GB free. Free some space.")


def fetch(storage: Storage, name: str, entry: FileEntry, folder: Path, report: Report, resume: bool = True) -> None:
    """Fetch one file to `folder`, under a temporary name until its sha256 is right. A right file is kept.

    A file that arrives wrong is fetched once more from its beginning. Raises ShareError if it is wrong again,
    StorageError if the storage fails.
    """
    target = folder / name
    if target.is_file() and file_digest(target) == entry.sha256:
        report(entry.bytes)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    for _ in range(2):
        if not (resume and partial.is_file()):  # a folder or a named pipe there is not opened
            remove(partial)
        count = _complete(storage, name, entry.bytes, partial, report, resume)
        if count == entry.bytes and file_digest(partial) == entry.sha256:
            partial.replace(target)
            return
        partial.unlink()
        report(-count)
    rule = f"its bytes are not those of manifest.json, though fetched twice ({count:,} of {entry.bytes:,})"
    raise ShareError(f"{storage}: {name}: {rule}. It is damaged there: push it again, with the same command as before.")


def _complete(storage: Storage, name: str, size: int, partial: Path, report: Report, resume: bool) -> int:
    """Append the missing bytes to a partial file. Returns its size: a little over `size` if the storage sends too many.

    A broken connection is resumed as long as each attempt brings bytes.
    """
    with partial.open("ab") as file:
        if file.tell() > size:
            file.truncate(0)
        report(file.tell())
        broken = file.tell() < size
        while broken:
            start, broken = file.tell(), False
            try:
                for piece in storage.stream(name, start):
                    file.write(piece)
                    report(len(piece))
                    if file.tell() > size:
                        break
            except ConnectionLost:
                broken = file.tell() < size
                if file.tell() == start or not resume:
                    raise
            except FileNotFoundError as error:
                raise ShareError(f"{storage}: {name} is gone. Push the store again.") from error
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def send(folder: Path, name: str, entry: FileEntry, storage: Storage, remote_size: int | None, report: Report) -> bool:
    """Send one file, unless the file of `remote_size` bytes that the storage has under this name is the same.

    Returns whether it was sent.
    The file is always read back: neither HTTP nor S3 returns the sha256 of what was stored (an ETag of a multipart
    upload is none). It is sent once more if it comes back wrong. Raises ShareError, StorageError.
    """
    if remote_size == entry.bytes and remote_digest(storage, name) == entry.sha256:
        report(entry.bytes)
        return False
    if file_digest(folder / name) != entry.sha256:
        raise ShareError(f"{folder / name} was altered after the build. Build or fetch the store again.")
    for _ in range(2):
        storage.write(name, folder / name)
        report(0)
        if remote_digest(storage, name) == entry.sha256:
            report(entry.bytes)
            return True
    raise ShareError(f"{storage}: {name} was read back twice with other bytes. Check the server's disk and cache.")


def write_checked(storage: Storage, name: str, content: bytes) -> None:
    """Write a small file and read it back. Raises ShareError, StorageError."""
    storage.write(name, content)
    if remote_digest(storage, name) != hashlib.sha256(content).hexdigest():
        raise ShareError(f"{storage}: {name} was read back with other bytes. Check the server's disk and cache.")


def remote_digest(storage: Storage, name: str) -> str:
    """sha256 of a file as the storage returns it, resumed after a broken connection; "" if absent."""
    digest, count = hashlib.sha256(), 0
    while True:
        start = count
        try:
            for piece in storage.stream(name, count):
                digest.update(piece)
                count += len(piece)
            return digest.hexdigest()
        except FileNotFoundError:
            return ""
        except ConnectionLost:
            if count == start:
                raise
