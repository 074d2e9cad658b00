"""MSR Action Pairs: `aAA_sSS_eEE.txt`, or `..._skeleton.txt`, one text file per clip, 20 joints (Kinect v1).

The layout is that of MSRDailyActivity3D, by the same laboratory and tool; no file of MSR Action Pairs itself was
available. The first line holds the number of frames and of joints. Each frame begins with the number of rows that
follow, 2 x 20 for each body: for each joint a row `x y z c` in metres and a row `u v depth c` of the depth image. u and
v are fractions of its width and height, from which the body's box is computed. Joints are in the Kinect's order.

A body whose joints are all zero is absent; `body_id` is the index of the body in its frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.preprocessing.joints_box import sides_of
from prep.untrusted.files import location, walk, without_mark

JOINTS = 20
ROWS = 2 * JOINTS  # of one body
MOST_FRAMES, MOST_BODIES = 100_000, 64
MOST_BYTES = 2**24  # half a megabyte is usual
FARTHEST = 20.0  # metres; a Kinect sees five

_STEM = re.compile(r"a([0-9]{1,2})_s([0-9]{1,2})_e([0-9]{1,2})(?:_skeleton)?")
_LAYOUT = "The layout is that of MSRDailyActivity3D: `frames joints`, then for each frame the number of its rows. "
_ROW_COUNTS = frozenset(float(ROWS * bodies) for bodies in range(MOST_BODIES + 1))


@dataclass(frozen=True)
class _Text:
    """Lines with numbers: the numbers end to end, how many are in each line, and the line numbers, from 1."""

    numbers: NDArray[np.float32]
    per_line: NDArray[np.int64]
    line: NDArray[np.int64]


def find(request: FindRequest) -> FindResult:
    """Every text file in folders and zips with the name of a clip. Raises PrepError for two files of one clip."""
    sources: dict[str, Source] = {}
    for source in walk(request.raw, ".txt"):
        match = _STEM.fullmatch(source.name)
        if match is None:
            continue
        name = "a{:02d}_s{:02d}_e{:02d}".format(*map(int, match.groups()))
        first = sources.setdefault(name, replace(source, name=name))
        if (first.path, first.member) != (source.path, source.member):
            raise PrepError(f"{location(first)} and {location(source)} hold the same clip. Move one of them away.")
    return FindResult(tuple(sources[name] for name in sorted(sources)))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording in metres. Raises BadFile if name, layout or numbers do not fit."""
    match = match_name(facts.pattern, source.name)
    if match is None or int(match["action"]) not in facts.actions:
        rule = f"aAA_sSS_eEE with AA from {facts.actions[0]:02d} to {facts.actions[-1]:02d}"
        raise BadFile(f"{source.name}: the name is not {rule}. Move the file away.")
    text = _parse(source, data)
    bodies_per_frame = _bodies_per_frame(source, text)
    rows = text.numbers[np.repeat(text.per_line == 4, text.per_line)].reshape(-1, JOINTS, 2, 4)
    metres, image = rows[:, :, 0, :3], rows[:, :, 1, :2]
    _check_metres(source, metres)
    present = metres.any(axis=(1, 2))
    frame = np.repeat(np.arange(len(bodies_per_frame)), bodies_per_frame)
    index = np.arange(len(metres)) - (np.cumsum(bodies_per_frame) - bodies_per_frame)[frame]
    return Recording(
        name=source.name,
        label=facts.actions.index(int(match["action"])),
        bodies_per_frame=np.bincount(frame[present], minlength=len(bodies_per_frame)),
        body_id=index[present],
        joints=np.ascontiguousarray(metres[present]),
        subject=int(match["subject"]),
        repetition=int(match["repetition"]),
        picture=sides_of(image, metres.any(axis=-1))[present],
    )


FORMAT = Format(files="aAA_sSS_eEE.txt or aAA_sSS_eEE_skeleton.txt", find=find, read=read)


def _parse(source: Source, data: bytes) -> _Text:
    from prep.readers._lines import read_lines

    if len(data) > MOST_BYTES:
        raise BadFile(f"{source.name}: {len(data)} bytes, a clip has at most {MOST_BYTES}. Fetch the file again.")
    lines = read_lines(without_mark(data, source.name), lambda row: f"{source.name}: line {row + 1}")
    filled = np.flatnonzero(lines.per_line)
    return _Text(lines.numbers, lines.per_line[filled], filled + 1)


def _bodies_per_frame(source: Source, text: _Text) -> NDArray[np.int64]:
    """(L,) once every line is checked. Raises BadFile."""
    frames = _header(source, text)
    starts = np.cumsum(text.per_line) - text.per_line
    bodies = np.zeros(frames, np.int64)
    at = 1
    for frame in range(frames):
        if at == len(text.per_line):
            raise _bad(source, f"the text ends before frame {frame + 1} of {frames}")
        rows = float(text.numbers[starts[at]])
        if text.per_line[at] != 1 or rows not in _ROW_COUNTS:
            what = f"line {text.line[at]} is not the number of rows of frame {frame + 1}"
            raise _bad(source, f"{what}, a multiple of {ROWS} up to {ROWS * MOST_BODIES}", _LAYOUT)
        stop = at + 1 + int(rows)
        if stop > len(text.per_line):
            raise _bad(source, f"the text ends {stop - len(text.per_line)} rows before the end of frame {frame + 1}")
        for row in at + 1 + np.flatnonzero(text.per_line[at + 1 : stop] != 4)[:1]:
            raise _bad(source, f"line {text.line[row]} has {text.per_line[row]} numbers; the rows of joints have 4")
        bodies[frame] = int(rows) // ROWS
        at = stop
    if at < len(text.per_line):
        raise _bad(source, f"line {text.line[at]} follows the last of {frames} frames")
    return bodies


def _header(source: Source, text: _Text) -> int:
    """The number of frames in the first line, bounded by the number of lines. Raises BadFile."""
    first = text.numbers[: text.per_line[0]].tolist() if len(text.per_line) else []
    if len(first) != 2 or first[1] != JOINTS:
        raise _bad(source, f"the first line is not the number of frames and of joints, {JOINTS}", _LAYOUT)
    frames, lines = first[0], len(text.per_line)
    if not 0 <= frames <= min(MOST_FRAMES, lines) or frames != int(frames):
        raise _bad(source, f"the first line announces {frames:g} frames, the file has {lines} lines")
    return int(frames)


def _check_metres(source: Source, joints: NDArray[np.float32]) -> None:
    depth = np.abs(joints[joints.any(axis=-1)][:, 2])
    depth = depth[~np.isnan(depth)]
    if len(depth) and np.median(depth) > FARTHEST:
        far = f"half of the joints are at least {np.median(depth):.4g} away"
        raise _bad(source, f"{far}: these are positions in the image, or not in metres")


def _bad(source: Source, what: str, rule: str = "") -> BadFile:
    return BadFile(f"{source.name}: {what}. {rule}Fetch the file again.")
