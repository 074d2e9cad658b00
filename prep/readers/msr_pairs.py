"""MSR Action Pairs: `aAA_sSS_eEE.txt`, or `..._skeleton.txt`, one text file per clip, 20 joints (Kinect v1).

No file of this data set was at hand. Three layouts of its siblings are told apart by the first two lines:

    marked    `T J`, and per frame the number of rows that follow: 2 J for each body, for each joint a row of metres
              `x y z c` and one of the depth image `u v depth c`, u and v in parts of its width and height, of which
              the body's box is kept (MSRDailyActivity3D; seen on a real file)
    counted   `T J`, and T times J rows `x y z` or `x y z c`
    bare      only rows, 20 per frame (MSRAction3D)

A body whose joints are all zero is absent; `body_id` is the place within the frame. Joints come in the Kinect's order
unless `order` says that it is MSRAction3D's, in which the left side comes first (process_skeletal_data of Vemulapalli
et al., CVPR 2014; other readers of that set put the right side first).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.preprocessing.joints_box import sides_of
from prep.untrusted.files import load_head, location, walk

JOINTS = 20
MARKED, COUNTED, BARE = "marked", "counted", "bare"
MOST_FRAMES, MOST_BODIES = 100_000, 64
MOST_BYTES = 2**24  # half a megabyte is usual
HEAD = 512
FARTHEST = 20.0  # metres; a Kinect sees five
# For each joint of MSRAction3D the same one of the Kinect.
MSR3D = (4, 8, 2, 1, 12, 16, 0, 5, 9, 6, 10, 7, 11, 13, 17, 14, 18, 15, 19, 3)

# Bodies in each frame, joints of all bodies, and their boxes in the image where the layout says it.
_Read = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]

_STEM = re.compile(r"a([0-9]{1,2})_s([0-9]{1,2})_e([0-9]{1,2})(?:_skeleton(?:3D)?)?")


@dataclass(frozen=True)
class Options:
    """In which order the rows of a body come."""

    order: Literal["kinect", "msr3d"] = "kinect"


@dataclass(frozen=True)
class _Text:
    """The filled lines of a file: numbers end to end, how many in each line, and which lines they are, from 1."""

    numbers: NDArray[np.float32]
    per_line: NDArray[np.int64]
    line: NDArray[np.int64]


def find(request: FindRequest) -> FindResult:
    """Every text file with the name of a clip, in folders and zips; of each the first lines are looked at.

    Bad are files that cannot be opened, and those in another layout than most. Raises PrepError for two of one clip.
    """
    sources: dict[str, Source] = {}
    layouts: dict[str, str] = {}
    bad = []
    # `read` is given the order with the source, where it also counts for what makes a clip another one.
    order = (request.options or Options()).order
    for source in walk(request.raw, ".txt"):
        match = _STEM.fullmatch(source.name)
        if match is None:
            continue
        name = "a{:02d}_s{:02d}_e{:02d}".format(*map(int, match.groups()))
        other = sources.setdefault(name, replace(source, name=name, stamp=f"{source.stamp} {order}"))
        if (other.path, other.member) != (source.path, source.member):
            raise PrepError(f"{location(other)} and {location(source)} hold the same clip. Move one of them away.")
        try:
            layouts[name] = sniff(load_head(source, HEAD))
        except BadFile as error:
            bad.append((name, str(error)))
    usual = Counter(sorted(layout for layout in layouts.values() if layout)).most_common(1)
    for name, layout in sorted(layouts.items()):
        if layout and layout != usual[0][0]:
            rule = f"is in the layout `{layout}`, {usual[0][1]} others are in `{usual[0][0]}`"
            bad.append((name, f"{location(sources[name])}: {rule}. One folder holds one: move it away."))
    unusable = {name for name, _ in bad}
    return FindResult(tuple(sources[name] for name in sorted(sources) if name not in unusable), tuple(bad))


def sniff(head: bytes) -> str:
    """The layout that a file's first two filled lines suggest, "" for none of them.

    >>> sniff(b"311 20\\n40\\n-0.04 -0.39 2.35 1\\n"), sniff(b"9 20\\n0 0 2.3\\n"), sniff(b"0 0 2.3 1\\n0 0 2.3 1\\n")
    ('marked', 'counted', 'bare')
    """
    first, second = ([len(line.split()) for line in head.splitlines() if line.strip()] + [0, 0])[:2]
    if first == 2:
        return MARKED if second == 1 else COUNTED if second in (3, 4) else ""
    return BARE if first in (3, 4) and second == first else ""


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """One file's bytes to a Recording in metres, joints in the Kinect's order.

    Raises BadFile when the name, the layout or the numbers do not fit; the message says which layout was seen.
    """
    match = re.fullmatch(facts.pattern, source.name)
    if match is None or int(match["action"]) not in facts.actions:
        rule = f"aAA_sSS_eEE with AA from {facts.actions[0]:02d} to {facts.actions[-1]:02d}"
        raise BadFile(f"{source.name}: the name is not {rule}. Move the file away.")
    layout = sniff(data[:HEAD])
    people, joints, picture = _LAYOUTS[layout](source, _text(source, data))
    _check_metres(source, joints, layout)
    if source.stamp.endswith(" msr3d"):
        joints = joints[:, np.argsort(MSR3D)]
    shown = joints.any(axis=(1, 2))
    frame = np.repeat(np.arange(len(people)), people)
    place_of = np.arange(len(joints)) - (np.cumsum(people) - people)[frame]
    return Recording(
        name=source.name,
        label=facts.actions.index(int(match["action"])),
        bodies_per_frame=np.bincount(frame[shown], minlength=len(people)),
        body_id=place_of[shown],
        joints=np.ascontiguousarray(joints[shown]),
        subject=int(match["subject"]),
        repetition=int(match["repetition"]),
        picture=None if picture is None else picture[shown],
    )


FORMAT = Format(files="aAA_sSS_eEE.txt or aAA_sSS_eEE_skeleton.txt", find=find, read=read, options=Options)


def _text(source: Source, data: bytes) -> _Text:
    from prep.readers._lines import read_lines

    if len(data) > MOST_BYTES:
        raise BadFile(f"{source.name}: {len(data)} bytes, a clip has at most {MOST_BYTES}. Fetch the file again.")
    lines = read_lines(data, lambda row: f"{source.name}: line {row + 1}")
    filled = np.flatnonzero(lines.per_line)
    return _Text(lines.numbers, lines.per_line[filled], filled + 1)


def _marked(source: Source, text: _Text) -> _Read:
    """What `marked` says."""
    frames = _header(source, text, MARKED)
    starts = np.cumsum(text.per_line) - text.per_line
    people = np.zeros(frames, np.int64)
    at = 1
    for frame in range(frames):
        if at == len(text.per_line):
            raise _bad(source, MARKED, f"the text ends before frame {frame + 1} of {frames}")
        rows = float(text.numbers[starts[at]])
        if text.per_line[at] != 1 or rows not in _ROWS:
            what = f"line {text.line[at]} is not the number of rows of frame {frame + 1}"
            raise _bad(source, MARKED, f"{what}, a multiple of {2 * JOINTS} up to {2 * JOINTS * MOST_BODIES}")
        people[frame] = int(rows) // (2 * JOINTS)
        stop = at + 1 + int(rows)
        _check_rows(source, text, at + 1, stop, 4, MARKED)
        at = stop
    if at < len(text.per_line):
        raise _bad(source, MARKED, f"line {text.line[at]} stands after the last of {frames} frames")
    rows_of = np.repeat(text.per_line == 4, text.per_line)
    metres, image = np.moveaxis(text.numbers[rows_of].reshape(-1, JOINTS, 2, 4)[..., :3], 2, 0)
    return people, metres, sides_of(image[..., :2], metres.any(axis=-1))


def _counted(source: Source, text: _Text) -> _Read:
    """The same of `counted`."""
    frames = _header(source, text, COUNTED)
    rows = len(text.per_line) - 1
    if rows != frames * JOINTS:
        raise _bad(source, COUNTED, f"{frames} frames need {frames * JOINTS} rows of joints, {rows} are there")
    return np.ones(frames, np.int64), _rows(source, text, 1, COUNTED), None


def _bare(source: Source, text: _Text) -> _Read:
    """The same of `bare`."""
    frames, rest = divmod(len(text.per_line), JOINTS)
    if rest:
        raise _bad(source, BARE, f"{len(text.per_line)} rows are not {JOINTS} for every frame")
    return np.ones(frames, np.int64), _rows(source, text, 0, BARE), None


def _unknown(source: Source, text: _Text) -> _Read:
    widths = text.per_line[:2].tolist()
    rule = "which is none of 2 and 1 (marked), 2 and 3 or 4 (counted), 3 or 4 (bare)"
    raise BadFile(f"{source.name}: the first lines hold {widths} numbers, {rule}. Fetch the file again.")


_LAYOUTS = {MARKED: _marked, COUNTED: _counted, BARE: _bare, "": _unknown}
_ROWS = frozenset(2.0 * JOINTS * bodies for bodies in range(MOST_BODIES + 1))


def _header(source: Source, text: _Text, layout: str) -> int:
    """The number of frames that the first line announces, bounded by the lines there are."""
    frames, joints = text.numbers[:2].tolist() if text.per_line[0] == 2 else (-1, -1)
    if joints != JOINTS:
        raise _bad(source, layout, f"line {text.line[0]} is not the number of frames and of joints, {JOINTS}")
    if not 0 <= frames <= min(MOST_FRAMES, len(text.per_line)) or frames != int(frames):
        raise _bad(source, layout, f"{frames:g} frames are announced and {len(text.per_line)} lines are there")
    return int(frames)


def _rows(source: Source, text: _Text, first: int, layout: str) -> NDArray[np.float32]:
    """(bodies, 20, 3) of all rows from line `first` on, which have as many numbers as that one, 3 or 4."""
    width = int(text.per_line[first]) if first < len(text.per_line) else 3
    _check_rows(source, text, first, len(text.per_line), width, layout)
    return text.numbers[text.per_line[:first].sum() :].reshape(-1, JOINTS, width)[..., :3]


def _check_rows(source: Source, text: _Text, start: int, stop: int, width: int, layout: str) -> None:
    if stop > len(text.per_line):
        raise _bad(source, layout, f"the text ends {stop - len(text.per_line)} rows too early")
    for row in start + np.flatnonzero(text.per_line[start:stop] != width)[:1]:
        what = f"line {text.line[row]} has {text.per_line[row]} numbers, the rows of joints have {width}"
        raise _bad(source, layout, what)


def _check_metres(source: Source, joints: NDArray[np.float32], layout: str) -> None:
    depth = np.abs(joints[joints.any(axis=-1)][:, 2])
    depth = depth[~np.isnan(depth)]
    if len(depth) and np.median(depth) > FARTHEST:
        what = f"half of the joints are {np.median(depth):.4g} away and more"
        raise _bad(source, layout, f"{what}: these are positions in the image, or not in metres")


def _bad(source: Source, layout: str, what: str) -> BadFile:
    return BadFile(f"{source.name}: looks like the layout `{layout}`, but {what}. Fetch the file again.")
