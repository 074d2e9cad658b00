"""Find raw files in folders and in zips, and read their bytes. Members of zips are not extracted to disk."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from prep.clip import Source
from prep.errors import BadFile, PrepError

# The largest real file of any dataset here is smaller than 10 MB. A larger one is an error or an attack.
LARGEST = 256 * 2**20
# What zipfile raises for damaged and hostile zips (a name that is not UTF-8 is a ValueError, version 25.5 of the format
# a RuntimeError).
ZIP_ERRORS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


def find_sources(raw: Path, suffix: str | tuple[str, ...]) -> list[Source]:
    """All files below `raw` with this suffix, or one of these, sorted by name (the stem); none is no error.

    `raw` is a folder (searched recursively, following links), a zip, or a folder that contains zips. Raises PrepError
    if `raw` does not exist, if a zip is damaged, and if two files have the same name.
    """
    sources: dict[str, Source] = {}
    for source in walk(raw, suffix):
        other = sources.setdefault(source.name, source)
        if other is not source:
            raise PrepError(f"{location(other)} and {location(source)} have the same name. Move one of them away.")
    return [sources[name] for name in sorted(sources)]


def load_bytes(source: Source) -> bytes:
    """All bytes of one source. Raises BadFile if it is too large, unreadable, damaged or changed since the search."""
    if source.size > LARGEST:
        raise BadFile(f"{location(source)}: {source.size} bytes, a raw file has at most {LARGEST}. Fetch it again.")
    # One byte more than announced, so that a wrong size is noticed.
    data = load_head(source, source.size + 1)
    if len(data) != source.size:
        raise BadFile(f"{location(source)}: was {source.size} bytes when listed and is not now. Run again.")
    return data


def load_head(source: Source, count: int) -> bytes:
    """The first `count` bytes of one source, or all if it has fewer. Raises BadFile if it is unreadable or damaged."""
    try:
        with _open(source) as file:
            return file.read(count)
    except ZIP_ERRORS as error:
        raise BadFile(f"{location(source)}: cannot be read ({error}). Fetch it again.") from error


def check_regular(path: str | Path) -> None:
    """Raise BadFile for a named pipe, a device, a socket or a folder: to open one could wait for ever.

    Raises OSError if nothing is at `path`.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise BadFile(f"{path}: is {kind}, and only regular files are read. Move it away.")


def walk(raw: Path, suffix: str | tuple[str, ...]) -> Iterator[Source]:
    """The sources of `find_sources` in the order of the folders; several may have the same name. Raises PrepError."""
    if not raw.exists():
        raise PrepError(f"{raw}: there is no such folder or zip.")
    if not raw.is_dir():
        yield from _members(raw, suffix)
        return
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(raw, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # a link to a parent folder
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders.sort()
        for name in sorted(files):
            # A leading dot marks the shadow files that some systems leave beside every real one.
            if name.endswith(suffix) and not name.startswith("."):
                yield _file(Path(folder, name))
            elif name.endswith(".zip"):
                yield from _members(Path(folder, name), suffix)


def location(source: Source) -> str:
    """The path of the file, followed by the member if it is a zip."""
    return f"{source.path}: {source.member}" if source.member else source.path


def _open(source: Source) -> IO[bytes]:
    if source.member:
        return _zip(source.path, os.getpid()).open(source.member)
    check_regular(source.path)
    return open(source.path, "rb")


@lru_cache(maxsize=8)
def _zip(path: str, process: int) -> zipfile.ZipFile:
    # The process is part of the key: a forked child must not share the file position of its parent.
    check_regular(path)
    return zipfile.ZipFile(path)


def _file(path: Path) -> Source:
    """A file of a folder. Absent files (broken links) and pipes are listed too: reading them gives the reason."""
    try:
        status = path.stat()
    except OSError:
        return Source(path.stem, str(path), "", 0, "absent")
    return Source(path.stem, str(path), "", status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def _members(path: Path, suffix: str | tuple[str, ...]) -> Iterator[Source]:
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except ZIP_ERRORS as error:
        raise PrepError(f"{path}: is not a readable zip ({error}). Fetch it again, or move it away.") from error
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.name.endswith(suffix) and not name.name.startswith("."):
            stamp = f"{entry.file_size}-{entry.CRC:08x}"
            yield Source(name.stem, str(path), entry.filename, entry.file_size, stamp)
