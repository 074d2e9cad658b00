"""NTU RGB+D 60 and 120: `SsssCcccPpppRrrrAaaa.skeleton`, whitespace-separated text with LF or CRLF line ends.

The number of frames; per frame the number of bodies; per body an id, nine more numbers, the number of joints (25), and
for each joint x y z in metres (Kinect v2 camera space: y up, z away from the camera) and nine more numbers. The third
and fourth of these are the joint's pixels in the colour image of 1920 x 1080. Both archives may stay packed, and
folders and zips may be mixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import LARGEST_COORDINATE, Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.preprocessing.joints_box import HEIGHT, WIDTH
from prep.readers._words import word_at
from prep.untrusted.files import find_sources, without_mark

# An id, nine numbers, a count, 25 lines of twelve numbers; each is at least a digit and a blank.
SMALLEST_BODY = 2 * (1 + 9 + 1 + 25 * 12)


def find(request: FindRequest) -> FindResult:
    """Every `.skeleton` file in folders and zips below `raw`. Raises PrepError if two have the same name."""
    return FindResult(tuple(find_sources(request.raw, ".skeleton")))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording in metres. Files with zero frames and frames without bodies are kept.

    A byte order mark at the beginning is ignored.

    Raises BadFile for a name that does not fit the pattern, and for text that breaks the format; the message gives
    the line.
    """
    from prep.readers import _scanner

    match = match_name(facts.pattern, source.name)
    actions = facts.actions
    if match is None or int(match["action"]) not in actions:
        rule = f"SsssCcccPpppRrrrAaaa with three digits each and an action from {actions[0]} to {actions[-1]}"
        raise BadFile(f"{source.name}: the name is not {rule}. Rename the file or move it away.")
    data = without_mark(data, source.name)
    # The number of bytes bounds the memory, not the numbers of frames and bodies in the file.
    bodies_per_frame = np.empty(len(data) // 2 + 1, np.int64)
    body_id = np.empty(len(data) // SMALLEST_BODY + 1, np.int64)
    joints = np.empty((len(body_id), _scanner.JOINTS, 3), np.float32)
    pixels = np.empty((len(body_id), 4), np.float64)
    text = np.frombuffer(data + b"\0", np.uint8)
    code, position, frames, bodies = _scanner.scan_skeleton(
        text, bodies_per_frame, body_id, joints, pixels, LARGEST_COORDINATE
    )
    if code != _scanner.FINE:
        raise BadFile(f"{source.name}: {_reason(code, data, position, frames)} Fetch the file again.")
    return Recording(
        name=source.name,
        label=actions.index(int(match["action"])),
        bodies_per_frame=bodies_per_frame[:frames].copy(),
        body_id=body_id[:bodies].copy(),
        joints=joints[:bodies].copy(),
        subject=int(match["subject"]),
        camera=int(match["camera"]),
        setup=int(match["setup"]),
        repetition=int(match["repetition"]),
        picture=_fractions(pixels[:bodies]),
    )


FORMAT = Format(files="SsssCcccPpppRrrrAaaa.skeleton", find=find, read=read)


def _fractions(pixels: NDArray[np.float64]) -> NDArray[np.float32]:
    """(R, 4): left, top, right, bottom as fractions of the image; NaN for a body without a joint in pixels."""
    none = pixels[:, :1] > pixels[:, 2:3]
    return np.where(none, np.nan, pixels / (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(np.float32)


def _reason(code: int, data: bytes, position: int, frame: int) -> str:
    """Line, word and rule for an error at byte `position`; `frame` counts from 0."""
    from prep.readers import _scanner

    if not data.strip():
        return "the file is empty; it begins with the number of frames."
    if code == _scanner.TRUNCATED:
        return f"the text ends in the middle of frame {frame + 1}."
    rules = {
        _scanner.NOT_INTEGER: "is not an integer",
        _scanner.TOO_LARGE: f"is too large; an integer has 64 bits, at most {2**63 - 1}",
        _scanner.NOT_NUMBER: "is not a number",
        _scanner.FRAMES: f"frames do not fit into {len(data)} bytes, or are more than {_scanner.MOST_FRAMES}",
        _scanner.BODIES: f"is no number of bodies; a frame has 0 to {_scanner.MOST_BODIES}",
        _scanner.JOINT_COUNT: f"is not the number of joints, which is always {_scanner.JOINTS}",
        _scanner.FAR: f"is no coordinate in metres; the largest allowed is {LARGEST_COORDINATE:g}",
        _scanner.REST: f"follows the last of {frame} frames, where only blanks may follow",
    }
    line = data.count(b"\n", 0, position) + 1
    inside = "" if code in (_scanner.FRAMES, _scanner.REST) else f", frame {frame + 1}"
    return f"line {line} (byte {position}{inside}): `{word_at(data, position)}` {rules[code]}."
