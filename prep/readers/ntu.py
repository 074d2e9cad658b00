"""NTU RGB+D 60 and 120: `SsssCcccPpppRrrrAaaa.skeleton`, whitespace-separated text with LF or CRLF line ends.

The number of frames; per frame the number of bodies; per body an id, nine more numbers, the number of joints (25) and
for each joint x y z in metres (Kinect v2 camera space: y up, z away from the camera) and nine more numbers, of which
the third and fourth are its pixels in the colour camera's picture of 1920 x 1080. Both archives may stay packed, and
folders and zips may be mixed.
"""

from __future__ import annotations

import re

import numpy as np

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import find_sources


def find(request: FindRequest) -> FindResult:
    """Every `.skeleton` file below the folder, in folders and zips. Raises PrepError for two of one name."""
    return FindResult(tuple(find_sources(request.raw, ".skeleton")))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """One file's bytes to a Recording in metres; zero frames and frames without bodies are kept as they are.

    Raises BadFile when the name does not fit or the text breaks the format anywhere; the message says where.
    """
    from prep.readers import _ntu_scan as scanner

    match = re.fullmatch(facts.pattern, source.name)
    actions = facts.actions
    if match is None or int(match["action"]) not in actions:
        rule = f"SsssCcccPpppRrrrAaaa with three digits each and an action from {actions[0]} to {actions[-1]}"
        raise BadFile(f"{source.name}: the name is not {rule}. Rename the file or move it away.")
    # No size that the file announces is believed: its length in bytes bounds what is set aside.
    bodies_per_frame = np.empty(len(data) // 2 + 1, np.int64)
    body_id = np.empty(len(data) // scanner.SMALLEST_BODY + 1, np.int64)
    joints = np.empty((len(body_id), scanner.JOINTS, 3), np.float32)
    picture = np.empty((len(body_id), 4), np.float32)
    text = np.frombuffer(data + b"\0", np.uint8)
    code, place, frames, bodies = scanner.scan(text, bodies_per_frame, body_id, joints, picture)
    if code != scanner.FINE:
        raise BadFile(f"{source.name}: {_complaint(code, data, place, frames)} Fetch the file again.")
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
        picture=picture[:bodies].copy(),
    )


FORMAT = Format(files="SsssCcccPpppRrrrAaaa.skeleton", find=find, read=read)


def _complaint(code: int, data: bytes, place: int, frame: int) -> str:
    """What is wrong at byte `place`, in words. `frame` counts from 0."""
    from prep.readers import _ntu_scan as scanner
    from prep.readers import _numbers as numbers

    if not data.strip():
        return "the file is empty; it begins with the number of frames."
    if code == numbers.CUT:
        return f"the text ends in the middle of frame {frame + 1}."
    word = (data[place : place + 40].split() or [b""])[0].decode("latin-1").encode("unicode_escape").decode()
    rules = {
        numbers.NOT_INTEGER: "is not an integer",
        numbers.TOO_LARGE: f"is too large; an integer has 64 bits, at most {2**63 - 1}",
        numbers.NOT_NUMBER: "is not a number",
        scanner.FRAMES: f"frames do not fit into {len(data)} bytes, or are more than {scanner.MOST_FRAMES}",
        scanner.BODIES: f"is no number of bodies; a frame has 0 to {scanner.MOST_BODIES}",
        scanner.JOINT_COUNT: f"is not the number of joints, which is always {scanner.JOINTS}",
        numbers.FAR: f"is no coordinate in metres; the largest allowed is {numbers.LARGEST:g}",
        scanner.REST: f"stands after the last of {frame} frames; only blanks may follow",
    }
    line = data.count(b"\n", 0, place) + 1
    inside = "" if code in (scanner.FRAMES, scanner.REST) else f", frame {frame + 1}"
    return f"line {line} (byte {place}{inside}): `{word}` {rules[code]}."
