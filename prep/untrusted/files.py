"""Where raw files lie, in folders and zips alike, and their bytes. Nothing is ever extracted to disk."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from prep.clip import Source
from prep.errors import BadFile, PrepError

# The longest real file of any data set here is under 10 MB. Larger is an error or an attack.
LARGEST = 256 * 2**20


def find_sources(raw: Path, suffix: str | tuple[str, ...]) -> list[Source]:
    """Every file whose name ends in `suffix`, or in one of them, below `raw`, sorted by name (the stem).

    None found is no error. `raw` is a folder (searched to the bottom, links followed), a zip, or a folder that holds
    zips. Raises PrepError when it does not exist, when a zip is damaged, and when two files have one name.
    """
    found: dict[str, Source] = {}
    for source in walk(raw, suffix):
        other = found.setdefault(source.name, source)
        if other is not source:
            raise PrepError(f"{place(other)} and {place(source)} have the same name. Move one of them away.")
    return [found[name] for name in sorted(found)]


def load_bytes(source: Source) -> bytes:
    """The bytes of one source. Raises BadFile when it is too large, unreadable, damaged or no longer as listed."""
    if source.size > LARGEST:
        raise BadFile(f"{place(source)}: {source.size} bytes, a raw file has at most {LARGEST}. Fetch it again.")
    # One byte more than announced, so that a size that lies is seen and never believed.
    data = load_head(source, source.size + 1)
    if len(data) != source.size:
        raise BadFile(f"{place(source)}: was {source.size} bytes when listed and is not now. Run again.")
    return data


def load_head(source: Source, count: int) -> bytes:
    """The first `count` bytes of one source, or all there are. Raises BadFile when it is unreadable or damaged."""
    try:
        with _open(source) as file:
            return file.read(count)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise BadFile(f"{place(source)}: cannot be read ({error}). Fetch it again.") from error


def _open(source: Source) -> IO[bytes]:
    if source.member:
        return _zip(source.path, os.getpid()).open(source.member)
    return open(source.path, "rb")


@lru_cache(maxsize=8)
def _zip(path: str, process: int) -> zipfile.ZipFile:
    # Keyed by the process too: a forked child must not share its parent's file position.
    return zipfile.ZipFile(path)


def walk(raw: Path, suffix: str | tuple[str, ...]) -> Iterator[Source]:
    """As `find_sources`, in the order of the folders, and several may have one name. Raises PrepError."""
    if not raw.exists():
        raise PrepError(f"{raw}: there is no such folder or zip.")
    if raw.is_file():
        yield from _members(raw, suffix)
        return
    seen: set[tuple[int, int]] = set()
    for folder, below, files in os.walk(raw, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:  # a link that leads back up
            below.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        below.sort()
        for name in sorted(files):
            # A leading dot marks the shadow files that some systems leave beside every real one.
            if name.endswith(suffix) and not name.startswith("."):
                yield _file(Path(folder, name))
            elif name.endswith(".zip"):
                yield from _members(Path(folder, name), suffix)


def _file(path: Path) -> Source:
    try:
        about = path.stat()
    except OSError:  # a link to nothing, as of a file not fetched yet; opening it says so
        return Source(path.stem, str(path), "", 0, "absent")
    return Source(path.stem, str(path), "", about.st_size, f"{about.st_size}-{about.st_mtime_ns}")


def _members(path: Path, suffix: str | tuple[str, ...]) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise PrepError(f"{path}: is not a readable zip ({error}). Fetch it again, or move it away.") from error
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.name.endswith(suffix) and not name.name.startswith("."):
            stamp = f"{entry.file_size}-{entry.CRC:08x}"
            yield Source(name.stem, str(path), entry.filename, entry.file_size, stamp)


def place(source: Source) -> str:
    """The file, and the member where it is a zip, in words."""
    return f"{source.path}: {source.member}" if source.member else source.path
