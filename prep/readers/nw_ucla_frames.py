"""Northwestern-UCLA as first released: `view_V/aAA_sSS_eEE/`, a folder per clip with a small text file per frame.

Frame N is `frame_N_tc_TIME_skeletons.txt`: a line about the frame, 20 lines `x,y,z,confidence` in metres (Kinect v1)
and, if there is a second person, a line with one value and 20 more lines, which are not read. `fileList.txt` has a line
per frame that begins with N and ends with TIME. Frames are read in its order; without it they are sorted by N, and the
store notes that. Listed frames that are missing or empty are left out, and the store notes how many. Folders and zips
may be mixed.

Clips are named as in the JSON format, `aAA_sSS_eEE_vVV`, where VV is the view. No original file was available: the
format is as several public readers of it expect.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import load_text, location, walk

JOINTS, NUMBERS = 20, 4
LIST = "fileList"
EMPTY = 2  # bytes; a line end, perhaps
MOST_FRAME = 2**16  # bytes; a frame of two people has under 4,000
MOST_LIST = 2**20  # bytes; a hundred lines are usual
# Stands between the frames of a clip; in a file it would be a blank.
NEXT_FRAME = b"\f"

_FOLDER = re.compile(r".*view_([0-9]{1,2})(?:\.zip)?/(?:.*/)?(a[0-9]{2}_s[0-9]{2}_e[0-9]{2})")
_FRAME = re.compile(r"frame_([0-9]{1,9})_tc_(\S+)_skeletons")


@dataclass(frozen=True)
class _Folder:
    """The files of one folder, on disk or inside a zip: frames by (N, TIME), and `fileList.txt` if it exists."""

    frames: Mapping[tuple[int, str], Source]
    file_list: Source | None

    @property
    def stamp(self) -> str:
        """Changes with any of the files."""
        files = [*self.frames.items(), *([("", self.file_list)] if self.file_list else [])]
        stamps = sorted(f"{key} {file.stamp}" for key, file in files)
        return hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:32]


def find(request: FindRequest) -> FindResult:
    """Every folder of frames in folders and zips below `raw`; file lists are read, frames are not.

    Unusable: folders without a usable frame, and folders whose list cannot be read. Raises PrepError for two folders
    of the same clip.
    """
    sources: dict[str, Source] = {}
    bad, notes, seen = [], [], set[str]()
    for (path, member), folder in sorted(_folders(request.raw).items()):
        match = _FOLDER.fullmatch(f"{path}/{member}".rstrip("/"))
        if match is None:
            continue
        name = f"{match[2]}_v{int(match[1]):02d}"
        seen.update(map(location, [*folder.frames.values(), *([folder.file_list] if folder.file_list else [])]))
        try:
            frames, remark = _ordered_frames(folder)
        except BadFile as error:
            bad.append((name, str(error)))
            continue
        notes += [(name, remark)] if remark else []
        source = Source(name, path, member, sum(frame.size for frame in frames), folder.stamp)
        first = sources.setdefault(name, source)
        if first is not source:
            raise PrepError(f"{location(first)} and {location(source)} hold the same clip. Move one of them away.")
    return FindResult(tuple(sources[name] for name in sorted(sources)), tuple(bad), tuple(notes), frozenset(seen))


def load(source: Source) -> bytes:
    """The frames' bytes, separated by form feeds. Raises BadFile if a file changed since `find`."""
    folders = _zipped(source.path, os.stat(source.path).st_mtime_ns) if source.member else _folders(Path(source.path))
    folder = folders.get((source.path, source.member))
    if folder is None or folder.stamp != source.stamp:
        raise BadFile(f"{source.name}: {location(source)}: changed since it was listed. Run again.")
    return NEXT_FRAME.join(load_text(frame).replace(NEXT_FRAME, b" ") for frame in _ordered_frames(folder)[0])


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse the frames to a Recording in metres; a frame with a single line has no body.

    Raises BadFile if the name or a frame breaks the format; the message gives the frame.
    """
    from prep.readers._lines import read_lines

    match = match_name(facts.pattern, source.name)
    if match is None or int(match["action"]) not in facts.actions:
        raise BadFile(f"{source.name}: is not one of the actions of {facts.name}. Move the folder away.")
    people = [_person(frame, f"{source.name}: frame {count}") for count, frame in enumerate(data.split(NEXT_FRAME), 1)]
    present = np.array([len(person) > 0 for person in people])
    frame_of = np.flatnonzero(present)

    def where(row: int) -> str:
        return f"{source.name}: frame {frame_of[row // JOINTS] + 1}, line {row % JOINTS + 2}"

    text = b"\n".join(line for person in people for line in person).replace(b",", b" ")
    lines = read_lines(text, where)
    # `per_line` of `lines` ends before blank lines at the end of the text.
    per_line = np.zeros(JOINTS * len(frame_of), np.int64)
    per_line[: len(lines.per_line)] = lines.per_line
    for row in np.flatnonzero(per_line != NUMBERS)[:1]:
        raise BadFile(f"{where(row)}: {per_line[row]} numbers; a joint has {NUMBERS}. Fetch the file again.")
    return Recording(
        name=source.name,
        label=facts.actions.index(int(match["action"])),
        bodies_per_frame=present.astype(np.int64),
        body_id=np.zeros(len(frame_of), np.int64),
        joints=lines.numbers.reshape(-1, JOINTS, NUMBERS)[..., :3].copy(),
        subject=int(match["subject"]),
        camera=int(match["camera"]),
        repetition=int(match["repetition"]),
    )


FORMAT = Format(files="view_V/aAA_sSS_eEE/frame_N_tc_TIME_skeletons.txt", find=find, read=read, load=load)


def _person(frame: bytes, where: str) -> list[bytes]:
    """The 20 lines of the first person in a frame, [] if there is none. Raises BadFile."""
    lines = frame.rstrip().split(b"\n")
    if len(lines) == 1:
        return []
    if len(lines) <= JOINTS:
        raise BadFile(
            f"{where}: {len(lines)} lines; a frame has one line and then {JOINTS} joints. Fetch the file again."
        )
    if len(lines) > JOINTS + 1 and len(lines[JOINTS + 1].replace(b",", b" ").split()) > 1:
        rule = f"line {JOINTS + 2} is a joint too many, or not the single value before a second person"
        raise BadFile(f"{where}: {rule}. Fetch the file again.")
    return lines[1 : JOINTS + 1]


def _folders(raw: Path) -> dict[tuple[str, str], _Folder]:
    """All folders with frames, by (folder, "") or (zip, folder in the zip)."""
    files: dict[tuple[str, str], list[Source]] = {}
    for source in walk(raw, ("_skeletons.txt", f"{LIST}.txt")):
        inside = str(PurePosixPath(source.member).parent) if source.member else ""
        files.setdefault((source.path if source.member else str(Path(source.path).parent), inside), []).append(source)
    return {key: folder for key, sources in files.items() if (folder := _folder(sources)).frames}


@lru_cache(maxsize=2)
def _zipped(path: str, changed: int) -> dict[tuple[str, str], _Folder]:
    """The folders in a zip, whose contents are listed once for all its clips."""
    return _folders(Path(path))


def _folder(files: Iterable[Source]) -> _Folder:
    by_name = {file.name: file for file in files}
    frames = {
        (int(match[1]), match[2]): file
        for name, file in by_name.items()
        if (match := _FRAME.fullmatch(name)) is not None
    }
    return _Folder(frames, by_name.get(LIST))


def _ordered_frames(folder: _Folder) -> tuple[list[Source], str]:
    """(usable frames in order, a remark on the others or ""). Raises BadFile if no frame is usable."""
    wanted = _listed(folder.file_list) if folder.file_list else sorted(folder.frames)
    usable = [folder.frames[key] for key in wanted if key in folder.frames and folder.frames[key].size > EMPTY]
    for frame in usable:
        if frame.size > MOST_FRAME:
            raise BadFile(f"{location(frame)}: is larger than a frame can be, {MOST_FRAME} bytes. Fetch it again.")
    if not usable:
        first = next(iter(folder.frames.values()))
        what = f"this frame and all others in the folder are empty or not in {LIST}.txt"
        raise BadFile(f"{location(first)}: {what}. Fetch them again.")
    remarks = [] if folder.file_list else [f"no {LIST}.txt, so frames come in the order of their numbers"]
    if missing := len(wanted) - len(usable):
        remarks.append(f"{missing} of {len(wanted)} frames are empty or not there")
    if unlisted := len(folder.frames.keys() - set(wanted)):
        remarks.append(f"{unlisted} frames are not in {LIST}.txt and left out")
    return usable, "; ".join(remarks)


def _listed(source: Source) -> list[tuple[int, str]]:
    """(N, TIME) of the frames in a file list, without repetitions. Raises BadFile."""
    if source.size > MOST_LIST:
        raise BadFile(f"{location(source)}: {source.size} bytes are too many for a list of frames. Fetch it again.")
    frames: dict[tuple[int, str], None] = {}
    for number, line in enumerate(load_text(source).decode("latin-1").split("\n"), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 2 or re.fullmatch("[0-9]{1,9}", words[0]) is None:
            word = line[:40].strip().encode("unicode_escape").decode()
            raise BadFile(f"{location(source)}: line {number}: `{word}` is not `N ... TIME`. Fetch it again.")
        frames[int(words[0]), words[-1]] = None
    return list(frames)
