"""Northwestern-UCLA as first released: `view_V/aAA_sSS_eEE/`, a folder of one small text file per frame and clip.

Frame N is `frame_N_tc_TIME_skeletons.txt`: a line about the frame, 20 lines `x,y,z,confidence` in metres (Kinect v1)
and, where there is a second person, a line of one value and the like again, which is not read. `fileList.txt` has a
line per frame, N first and TIME last; frames come in its order, or by N where it is missing, and the store notes that.
Frames that are listed and not there, or empty, are left out, and the store notes how many. Folders and zips may mix.

A clip is named as in the other form, `aAA_sSS_eEE_vVV`, VV being the view. None of this was seen on original files; it
is what public readers of them expect.
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
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import load_bytes, location, walk

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
    """The files of one folder, or of one inside a zip: frames by (N, TIME), and the list where there is one."""

    frames: Mapping[tuple[int, str], Source]
    listed: Source | None

    @property
    def stamp(self) -> str:
        """Changes with any of the files."""
        files = [*self.frames.items(), *([("", self.listed)] if self.listed else [])]
        told = sorted(f"{key} {file.stamp}" for key, file in files)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def find(request: FindRequest) -> FindResult:
    """Every folder of frames, in folders and zips; lists are read, frames are not.

    Bad are folders without a frame that could be used, and lists that cannot be read. Raises PrepError for two folders
    of one clip.
    """
    sources: dict[str, Source] = {}
    bad, notes = [], []
    for (path, member), folder in sorted(_folders(request.raw).items()):
        match = _FOLDER.fullmatch(f"{path}/{member}".rstrip("/"))
        if match is None:
            continue
        name = f"{match[2]}_v{int(match[1]):02d}"
        try:
            frames, remark = _in_order(folder)
        except BadFile as error:
            bad.append((name, str(error)))
            continue
        notes += [(name, remark)] if remark else []
        source = Source(name, path, member, sum(frame.size for frame in frames), folder.stamp)
        other = sources.setdefault(name, source)
        if other is not source:
            raise PrepError(f"{location(other)} and {location(source)} hold the same clip. Move one of them away.")
    return FindResult(tuple(sources[name] for name in sorted(sources)), tuple(bad), tuple(notes))


def load(source: Source) -> bytes:
    """The frames' bytes, form feeds between them. Raises BadFile when something changed since it was found."""
    folder = _packed(source.path, os.stat(source.path).st_mtime_ns) if source.member else _folders(Path(source.path))
    here = folder.get((source.path, source.member))
    if here is None or here.stamp != source.stamp:
        raise BadFile(f"{source.name}: {location(source)}: is not as it was when listed. Run again.")
    return NEXT_FRAME.join(load_bytes(frame).replace(NEXT_FRAME, b" ") for frame in _in_order(here)[0])


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """The frames' bytes to a Recording in metres; a frame of one line shows nobody.

    Raises BadFile when the name or a frame breaks the form; the message says which frame.
    """
    from prep.readers._lines import read_lines

    match = re.fullmatch(facts.pattern, source.name)
    if match is None or int(match["action"]) not in facts.actions:
        raise BadFile(f"{source.name}: is not one of the actions of {facts.name}. Move the folder away.")
    rows = [_person(frame, f"{source.name}: frame {count}") for count, frame in enumerate(data.split(NEXT_FRAME), 1)]
    shown = np.array([len(person) > 0 for person in rows])
    frame_of = np.flatnonzero(shown)

    def where(row: int) -> str:
        return f"{source.name}: frame {frame_of[row // JOINTS] + 1}, line {row % JOINTS + 2}"

    text = b"\n".join(line for person in rows for line in person).replace(b",", b" ")
    lines = read_lines(text, where)
    # Blank lines at the end of the text are not among those counted.
    per_line = np.zeros(JOINTS * len(frame_of), np.int64)
    per_line[: len(lines.per_line)] = lines.per_line
    for row in np.flatnonzero(per_line != NUMBERS)[:1]:
        raise BadFile(f"{where(row)}: {per_line[row]} numbers; a joint has {NUMBERS}. Fetch the file again.")
    return Recording(
        name=source.name,
        label=facts.actions.index(int(match["action"])),
        bodies_per_frame=shown.astype(np.int64),
        body_id=np.zeros(len(frame_of), np.int64),
        joints=lines.numbers.reshape(-1, JOINTS, NUMBERS)[..., :3].copy(),
        subject=int(match["subject"]),
        camera=int(match["camera"]),
        repetition=int(match["repetition"]),
    )


FORMAT = Format(files="view_V/aAA_sSS_eEE/frame_N_tc_TIME_skeletons.txt", find=find, read=read, load=load)


def _person(frame: bytes, where: str) -> list[bytes]:
    """The 20 lines of the first person of a frame, or none. Raises BadFile."""
    lines = frame.rstrip().split(b"\n")
    if len(lines) == 1:
        return []
    if len(lines) <= JOINTS:
        raise BadFile(f"{where}: {len(lines)} lines; there is one and then {JOINTS} joints. Fetch the file again.")
    if len(lines) > JOINTS + 1 and len(lines[JOINTS + 1].replace(b",", b" ").split()) > 1:
        rule = f"line {JOINTS + 2} is a joint too many, or not the single value before a second person"
        raise BadFile(f"{where}: {rule}. Fetch the file again.")
    return lines[1 : JOINTS + 1]


def _folders(raw: Path) -> dict[tuple[str, str], _Folder]:
    """All folders with frames, by (folder, "") or (zip, folder inside)."""
    files: dict[tuple[str, str], list[Source]] = {}
    for source in walk(raw, ("_skeletons.txt", f"{LIST}.txt")):
        inside = str(PurePosixPath(source.member).parent) if source.member else ""
        files.setdefault((source.path if source.member else str(Path(source.path).parent), inside), []).append(source)
    return {key: folder for key, found in files.items() if (folder := _folder(found)).frames}


@lru_cache(maxsize=2)
def _packed(path: str, changed: int) -> dict[tuple[str, str], _Folder]:
    """The folders of a zip, whose contents are listed once for all its clips."""
    return _folders(Path(path))


def _folder(files: Iterable[Source]) -> _Folder:
    named = {file.name: file for file in files}
    frames = {
        (int(match[1]), match[2]): file for name, file in named.items() if (match := _FRAME.fullmatch(name)) is not None
    }
    return _Folder(frames, named.get(LIST))


def _in_order(folder: _Folder) -> tuple[list[Source], str]:
    """(the frames that can be used, a remark on the others or ""). Raises BadFile when none can."""
    wanted = _listed(folder.listed) if folder.listed else sorted(folder.frames)
    there = [folder.frames[key] for key in wanted if key in folder.frames and folder.frames[key].size > EMPTY]
    large = [location(frame) for frame in there if frame.size > MOST_FRAME]
    if large:
        raise BadFile(f"{large[0]}: is larger than a frame can be, {MOST_FRAME} bytes. Fetch it again.")
    if not there:
        first = next(iter(folder.frames.values()))
        raise BadFile(
            f"{location(first)}: this frame and all beside it are empty or not in {LIST}.txt. Fetch them again."
        )
    remarks = [] if folder.listed else [f"no {LIST}.txt, so frames come in the order of their numbers"]
    if lacking := len(wanted) - len(there):
        remarks.append(f"{lacking} of {len(wanted)} frames are empty or not there")
    if extra := len(folder.frames.keys() - set(wanted)):
        remarks.append(f"{extra} frames are not in {LIST}.txt and left out")
    return there, "; ".join(remarks)


def _listed(source: Source) -> list[tuple[int, str]]:
    """The frames that a list names, each once. Raises BadFile."""
    if source.size > MOST_LIST:
        raise BadFile(f"{location(source)}: {source.size} bytes are no list of frames. Fetch it again.")
    frames: dict[tuple[int, str], None] = {}
    for number, line in enumerate(load_bytes(source).decode("latin-1").split("\n"), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 2 or re.fullmatch("[0-9]{1,9}", words[0]) is None:
            word = line[:40].strip().encode("unicode_escape").decode()
            raise BadFile(f"{location(source)}: line {number}: `{word}` is not N ... TIME. Fetch it again.")
        frames[int(words[0]), words[-1]] = None
    return list(frames)
