"""What lies in a folder of raw files and is not read: other kinds of files, archives, and what cannot be opened."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from prep.clip import Source
from prep.untrusted.files import location, walk

ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".z")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")
MOST_KINDS = 8  # kinds of files that are listed one by one


@dataclass(frozen=True)
class Unread:
    """What is not read: `remarks`, a line for each kind of file, and (name, reason) of what is `refused`.

    Refused are folders that cannot be entered and zips that cannot be read.
    """

    remarks: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


def unread(raw: Path, seen: Set[str]) -> Unread:
    """Everything below `raw` that is not in `seen`, the locations of the files that were read or named already.

    Hidden files are left out. Raises PrepError if `raw` does not exist.
    """
    refused: list[tuple[str, str]] = []
    kinds: dict[str, list[Source]] = {}
    for source in walk(raw, "", refused):
        if location(source) not in seen:
            kinds.setdefault(_kind(source), []).append(source)
    archives = [_archives(kind, kinds.pop(kind)) for kind in sorted(kinds) if kind.endswith(ARCHIVES)]
    common = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    remarks = [_remark(kind, kinds[kind]) for kind in common]
    rest = [source for kind in common[MOST_KINDS:] for source in kinds[kind]]
    more = [f"{_counted(rest)} of {len(common) - MOST_KINDS} other kinds not read"] if rest else []
    return Unread((*archives, *remarks[:MOST_KINDS], *more), tuple(refused))


def _kind(source: Source) -> str:
    """The ending of a file's name, in quotes; archives in a zip are a kind of their own."""
    suffix = PurePosixPath(source.member or source.path).suffix.lower()
    if suffix in ARCHIVES:
        return f"zipped {suffix}" if source.member else suffix
    return f"`{suffix}`" if suffix else "without an ending"


def _remark(kind: str, sources: list[Source]) -> str:
    first = _first(sources)
    reader = "; `fsprep embed-videos` reads videos" if first.lower().endswith(VIDEO_SUFFIXES) else ""
    return f"{_counted(sources)} {kind} not read, for example {first}{reader}"


def _archives(kind: str, sources: list[Source]) -> str:
    rule = "archives inside a zip are not unpacked" if kind.startswith("zipped") else "only .zip archives are read"
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"not read: {_first(sources)}{more}; {rule}. Unpack it into the folder, or move it away."


def _first(sources: list[Source]) -> str:
    return location(min(sources, key=location))


def _counted(sources: list[Source]) -> str:
    return f"{len(sources)} file{'s' if len(sources) > 1 else ''}"
