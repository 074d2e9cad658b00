"""Find raw files in folders and in zips, and read their bytes. Members of zips are not extracted to disk.

Endings are compared without regard to case, and a backslash in a member's name separates folders as "/" does: archives
made on Windows have both. Only regular files are opened. What a search leaves out is listed by unread.py.
"""

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
# Text of numbers is compressed three to ten times, zeros a thousand times. Small files may be all zeros.
HIGHEST_RATIO, ANY_RATIO_SIZE = 100, 2 * 2**20
# What zipfile raises for damaged and hostile zips (a name that is not UTF-8 is a ValueError, version 25.5 of the format
# a RuntimeError, a member that announces a huge dictionary a MemoryError).
ZIP_ERRORS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    ValueError,
)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
Refused = list[tuple[str, str]]


def find_sources(raw: Path, suffix: str | tuple[str, ...]) -> list[Source]:
    """All files below `raw` with this suffix, or one of these, sorted by name (the stem); none is no error.

    `raw` is a folder (searched recursively, following links), a zip, or a folder that contains zips. Raises PrepError
    if `raw` does not exist, and if two files have the same name.
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


def load_text(source: Source) -> bytes:
    """`load_bytes` without a byte order mark; text in UTF-16 becomes UTF-8. Raises BadFile."""
    return without_mark(load_bytes(source), location(source))


def without_mark(data: bytes, where: str) -> bytes:
    """Text without a byte order mark, in UTF-8. Raises BadFile, naming `where`, for damaged UTF-16.

    >>> without_mark("1 2".encode("utf-8-sig"), "here"), without_mark("1 2".encode("utf-16"), "here")
    (b'1 2', b'1 2')
    """
    if not data.startswith(_UTF_16):
        return data.removeprefix(BYTE_ORDER_MARK)
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        rule = "begins with the byte order mark of UTF-16 and is no such text"
        raise BadFile(f"{where}: {rule} ({error.reason}). Save it as UTF-8.") from error


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


def walk(raw: Path, suffix: str | tuple[str, ...], refused: Refused | None = None) -> Iterator[Source]:
    """The sources of `find_sources` in the order of the folders; several may have the same name.

    Folders that cannot be entered and zips that cannot be read are skipped; their names,
    with reasons, are appended to `refused`. Raises PrepError if `raw` does not exist.
    """
    if not raw.exists():
        raise PrepError(f"{raw}: there is no such folder or zip.")
    refused = [] if refused is None else refused
    endings = tuple(ending.lower() for ending in ([suffix] if isinstance(suffix, str) else suffix))
    if not raw.is_dir():
        yield from _members(raw, endings, refused)
        return
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(raw, followlinks=True, onerror=lambda error: _skip(error, refused)):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # a link to a parent folder
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders.sort()
        for name in sorted(files):
            # A leading dot marks the shadow files that some systems leave beside every real one.
            if name.startswith("."):
                continue
            if name.lower().endswith(".zip"):
                yield from _members(Path(folder, name), endings, refused)
            elif name.lower().endswith(endings):
                yield _file(Path(folder, name))


def location(source: Source) -> str:
    """The path of the file, followed by the member if it is a zip."""
    return f"{source.path}: {source.member}" if source.member else source.path


def most_unpacked(packed: int) -> int:
    """The most bytes that so many packed ones may become in memory.

    >>> most_unpacked(10), most_unpacked(10**6)
    (2097152, 100000000)
    """
    return min(LARGEST, max(ANY_RATIO_SIZE, HIGHEST_RATIO * packed))


def check_ratio(entry: zipfile.ZipInfo, where: str) -> None:
    """Raise BadFile for a member that would fill far more memory than its zip has bytes."""
    if entry.file_size > most_unpacked(entry.compress_size):
        rule = f"a member above {ANY_RATIO_SIZE} bytes is compressed at most {HIGHEST_RATIO} to 1"
        raise BadFile(f"{where}: promises {entry.file_size} bytes from {entry.compress_size}; {rule}. Fetch it again.")


def _open(source: Source) -> IO[bytes]:
    if source.member:
        archive, entries = _zip(source.path, os.getpid())
        entry = entries[source.member]
        check_ratio(entry, location(source))
        return archive.open(entry)
    check_regular(source.path)
    return open(source.path, "rb")


@lru_cache(maxsize=8)
def _zip(path: str, process: int) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    # The process is part of the key: a forked child must not share the file position of its parent.
    check_regular(path)
    archive = zipfile.ZipFile(path)
    return archive, {_member_name(entry): entry for entry in archive.infolist()}


def _member_name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/")


def _skip(error: OSError, refused: Refused) -> None:
    """Note a folder that cannot be entered."""
    folder = Path(error.filename)
    reason = f"the folder cannot be entered ({error.strerror}). Change its rights, or move it away."
    refused.append((folder.name, f"{folder}: {reason}"))


def _file(path: Path) -> Source:
    """A file of a folder. Absent files (broken links) and pipes are listed too: reading them gives the reason."""
    try:
        status = path.stat()
    except OSError:
        return Source(path.stem, str(path), "", 0, "absent")
    return Source(path.stem, str(path), "", status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def _members(path: Path, endings: tuple[str, ...], refused: Refused) -> Iterator[Source]:
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if sum(entry.compress_size for entry in entries) > path.stat().st_size:
            raise zipfile.BadZipFile("its members overlap")
    except BadFile as error:
        refused.append((path.name, str(error)))
        return
    except ZIP_ERRORS as error:
        reason = f"{path}: is not a readable zip ({error}). Fetch it again, or move it away."
        refused.append((path.name, reason))
        return
    for entry in entries:
        member = _member_name(entry)
        name = PurePosixPath(member)
        if name.name.lower().endswith(endings) and not name.name.startswith(".") and not member.endswith("/"):
            stamp = f"{entry.file_size}-{entry.CRC:08x}"
            yield Source(name.stem, str(path), member, entry.file_size, stamp)
