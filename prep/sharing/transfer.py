"""Files of a store to and from a place: several at once, taken up where they broke, checked by their sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

from prep.errors import PrepError
from prep.storage.storage import ConnectionLost, Storage
from prep.store.manifest import FileEntry, file_digest

PARTIAL = ".partial"
ItemT = TypeVar("ItemT")
Tell = Callable[[int], None]


class ShareError(PrepError):
    """A store cannot be sent or fetched as asked; the text says what to change."""


class _Stopped(Exception):
    """Another file failed; this one is left as it is."""


@dataclass(frozen=True)
class Moved:
    """`done` of `total` bytes have arrived; of what is sent, those that were read back and are right."""

    done: int
    total: int


def side_by_side(work: Callable[[ItemT, Tell], None], items: Sequence[ItemT], jobs: int, total: int) -> Iterator[Moved]:
    """Do `work` for every item in `jobs` threads; a record whenever it tells of bytes (fewer than none: taken back).

    Raises the first error after the other threads have stopped.
    """
    told: SimpleQueue[int | Exception | None] = SimpleQueue()
    stopped = Event()

    def tell(count: int) -> None:
        if stopped.is_set():
            raise _Stopped
        told.put(count)

    def one(item: ItemT) -> None:
        try:
            if not stopped.is_set():
                work(item, tell)
            told.put(None)
        except Exception as error:
            told.put(error)
            stopped.set()

    done, left = 0, len(items)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                pool.submit(one, item)
            while left:
                word = told.get()
                if isinstance(word, Exception):
                    raise word
                left, done = left - (word is None), done + (word or 0)
                yield Moved(done, total)
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def check_room(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Raise ShareError unless what these files have beyond what is in `folder` fits on its disk."""
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed = sum(held.bytes for held in files.values()) - there
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ShareError(f"{folder}: {needed / 1e9:,.2f} GB are needed and {free / 1e9:,.2f} GB free. Make room.")


def fetch(place: Storage, name: str, held: FileEntry, folder: Path, tell: Tell, resume: bool = True) -> None:
    """One file to `folder`, beside its name until its sha256 is right. What is there already is checked and kept.

    A file that arrives wrong is fetched once more, from its beginning. Raises ShareError when it is wrong again,
    StorageError when the place fails.
    """
    target = folder / name
    if target.is_file() and file_digest(target) == held.sha256:
        tell(held.bytes)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    for _ in range(2):
        if not resume:
            partial.unlink(missing_ok=True)
        count = _complete(place, name, held.bytes, partial, tell, resume)
        if count == held.bytes and file_digest(partial) == held.sha256:
            partial.replace(target)
            return
        partial.unlink()
        tell(-count)
    rule = f"its bytes are not those of manifest.json, though fetched twice ({count:,} of {held.bytes:,})"
    raise ShareError(f"{place}: {name}: {rule}. It is damaged there: push it again, with the same command as before.")


def _complete(place: Storage, name: str, size: int, partial: Path, tell: Tell, resume: bool) -> int:
    """Append what a partial file lacks; the bytes it then has, a few more than `size` where the place gives too many.

    As long as a broken connection brings bytes, it is taken up again.
    """
    with partial.open("ab") as file:
        if file.tell() > size:
            file.truncate(0)
        tell(file.tell())
        broken = file.tell() < size
        while broken:
            begun, broken = file.tell(), False
            try:
                for piece in place.stream(name, begun):
                    file.write(piece)
                    tell(len(piece))
                    if file.tell() > size:
                        break
            except ConnectionLost:
                broken = file.tell() < size
                if file.tell() == begun or not resume:
                    raise
            except FileNotFoundError as error:
                raise ShareError(f"{place}: {name} is gone. Push the store again.") from error
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def send(folder: Path, name: str, held: FileEntry, place: Storage, there: int | None, tell: Tell) -> None:
    """One file to the place, unless what is there under its name (`there` bytes) is it already.

    Always read back: neither HTTP nor S3 says a sha256 of what it stored (an ETag of parts is none), and what a later
    pull will be given is all that counts. Sent once more where that is wrong. Raises ShareError, StorageError.
    """
    if there == held.bytes and digest_at(place, name) == held.sha256:
        tell(held.bytes)
        return
    if file_digest(folder / name) != held.sha256:
        raise ShareError(f"{folder / name} was altered after the build. Build or fetch the store again.")
    for _ in range(2):
        place.write(name, folder / name)
        tell(0)
        if digest_at(place, name) == held.sha256:
            tell(held.bytes)
            return
    raise ShareError(f"{place}: {name} comes back other than it was sent, twice. Look at the server's disk and cache.")


def digest_at(place: Storage, name: str) -> str:
    """sha256 of a file as the place gives it, taken up where the connection breaks; "" of none. Raises StorageError."""
    digest, count = hashlib.sha256(), 0
    while True:
        begun = count
        try:
            for piece in place.stream(name, count):
                digest.update(piece)
                count += len(piece)
            return digest.hexdigest()
        except FileNotFoundError:
            return ""
        except ConnectionLost:
            if count == begun:
                raise
