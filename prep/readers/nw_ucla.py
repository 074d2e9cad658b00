"""Northwestern-UCLA in its common JSON format: `all_sqe/aAA_sSS_eEE_vVV.json`, zipped or not, one body per clip.

One JSON object with `file_name` (the file's stem), `skeletons` (frames x 20 joints x 3, metres, Kinect v1) and `label`
(1 to 10, the rank of the action AA among the ten that exist). VV is the camera, EE the repetition.
"""

from __future__ import annotations

from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import LARGEST_COORDINATE, Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.readers._nested import NotNumbers, Ragged, nested, numbers
from prep.untrusted.files import find_sources
from prep.untrusted.json_text import parse_lists

JOINTS = 20
MOST_BYTES = 16 * 2**20  # real files have less than one


def find(request: FindRequest) -> FindResult:
    """Every `.json` file in folders and zips below `raw`. Raises PrepError if two have the same name."""
    return FindResult(tuple(find_sources(request.raw, ".json")))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording in metres, with the same body in every frame; it may have zero frames.

    Raises BadFile if name, keys, label, shape or numbers break the format; the message says which.
    """
    match = match_name(facts.pattern, source.name)
    if match is None or int(match["action"]) not in facts.actions:
        actions = ", ".join(f"{action:02}" for action in facts.actions)
        raise _bad(source, f"the name is not aAA_sSS_eEE_vVV with AA one of {actions}", "Move the file away.")
    clip = _parse(source, data)
    label = facts.actions.index(int(match["action"]))
    if clip["file_name"] != source.name:
        raise _bad(source, f"`file_name` is {brief(clip['file_name'])}; it must be the file's name")
    if type(clip["label"]) is not int or clip["label"] != label + 1:
        raise _bad(source, f"`label` is {brief(clip['label'])}; action {match['action']} of the name has {label + 1}")
    joints = _joints(source, clip["skeletons"])
    return Recording(
        name=source.name,
        label=label,
        bodies_per_frame=np.ones(len(joints), np.int64),
        body_id=np.zeros(len(joints), np.int64),
        joints=joints,
        subject=int(match["subject"]),
        camera=int(match["camera"]),
        repetition=int(match["repetition"]),
    )


FORMAT = Format(files="aAA_sSS_eEE_vVV.json", find=find, read=read)


def _parse(source: Source, data: bytes) -> dict[str, Any]:
    clip = parse_lists(data, source.name, MOST_BYTES)
    if not isinstance(clip, dict):
        raise _bad(source, "is not a JSON object")
    for key in ("file_name", "skeletons", "label"):
        if key not in clip:
            raise _bad(source, f"has no key `{key}`; a clip has file_name, skeletons and label")
    return clip


def _joints(source: Source, skeletons: Any) -> NDArray[np.float32]:
    """Nested lists to (L, 20, 3) float32. Raises BadFile."""
    if skeletons == []:
        return np.zeros((0, JOINTS, 3), np.float32)
    rule = f"it must be frames x {JOINTS} joints x 3 numbers"
    not_metres = f"`skeletons` holds what is not a number, or not one of metres up to {LARGEST_COORDINATE:g}"
    try:
        lists = nested(skeletons)
        if lists.shape[1:] != (JOINTS, 3):
            raise _bad(source, f"`skeletons` has shape {lists.shape}; {rule}")
        joints = numbers(lists)
    except Ragged as error:
        raise _bad(source, f"`skeletons` is ragged; {rule}") from error
    except NotNumbers as error:
        raise _bad(source, not_metres) from error
    if (np.abs(joints) > LARGEST_COORDINATE).any():
        raise _bad(source, not_metres)
    return joints.astype(np.float32)


def _bad(source: Source, what: str, remedy: str = "Fetch the file again.") -> BadFile:
    return BadFile(f"{source.name}: {what}. {remedy}")
