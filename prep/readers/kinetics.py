"""Kinetics-skeleton, as released with ST-GCN: `kinetics_train/<id>.json`, `kinetics_val/<id>.json` and two label files.

A clip is one JSON object `{"data": [frame, ...], "label": name, "label_index": 0 to 399}`. A frame is `{"frame_index":
1, 2, 3, ..., "skeleton": [person, ...]}`; the list of people may be empty. A person is `{"pose": [x0, y0, ... x17,
y17], "score": [18 numbers]}` in OpenPose's order. x and y are fractions of the image's width and height from its top
left corner (slightly beyond 1 at times); a joint that was not found is (0, 0) with score 0. People have no ids:
`_link.py` tracks them. A clip's name is the id of its video, 11 characters, which may begin with `-` or `_`.

`kinetics_val_label.json` is `{id: {"has_skeleton": bool, "label": name, "label_index": number}, ...}`. The label file
and the clip must agree. Clips whose `has_skeleton` is false are left out, as in ST-GCN. The label file lists the whole
release; holding only a part of it is no fault, and the store notes how much. Without a label file, the label inside
the clip counts.

Parsed with orjson: 266,440 clips take about 17 minutes of one core. A compiled scanner was 1.8 times as fast, and its
147 lines saved 7 of these minutes once per dataset, which was not worth them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import chain
from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import find_sources, load_bytes, location
from prep.untrusted.json_text import parse_lists

LABEL_FILES = ("kinetics_train_label", "kinetics_val_label")
JOINTS = 18
# Real clips have at most 300 frames, 11 people in one and 1 MB; the label file of the training part has 30 MB. Far more
# is an error or an attack.
MOST_FRAMES, MOST_PEOPLE, MOST_BYTES, MOST_LABELS = 10_000, 200, 16 * 2**20, 64 * 2**20
# Real coordinates and scores end near 1.2; pixels are in the hundreds.
LARGEST = 10.0

Rows = tuple[tuple[str, str], ...]


def find(request: FindRequest) -> FindResult:
    """Every `.json` file in folders and zips below `raw` except label files, with the labels from these.

    Unusable: clips for which the label files give no valid class or two, and label files that cannot be read (their
    clips are still found). Raises PrepError if two files have the same name.
    """
    files = find_sources(request.raw, ".json")
    clips = [file for file in files if file.name not in LABEL_FILES]
    if not clips:
        return FindResult(())
    label_files = [file for file in files if file.name in LABEL_FILES]
    labels, bad, notes = _labels(label_files, {clip.name for clip in clips}, request.data)
    refused = {name for name, _ in bad}
    sources = [
        replace(clip, label=label)
        for clip in clips
        if clip.name not in refused and (label := labels.get(clip.name, -1)) is not None
    ]
    return FindResult(tuple(sources), bad, notes, frozenset(map(location, files)))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording: joints (R, 18, 3) are x, y and score, body ids the tracks of `link`.

    Raises BadFile if name, keys, label, frame numbers or numbers break the format; the message gives the place.
    """
    from prep.readers._link import link

    if not match_name(facts.pattern, source.name):
        raise _bad(source.name, "the name is not the 11 characters of a video's id", "Move the file away.")
    clip = _parse(source, data, MOST_BYTES)
    label = _label(clip, source.name, facts)
    if source.label not in (-1, label):
        inside, listed = (f"{number} ({facts.classes[number]})" for number in (label, source.label))
        raise _bad(source.name, f"is labelled {inside} inside and {listed} in the label file", "Fetch both again.")
    bodies_per_frame, joints = _detections(clip, source.name)
    return Recording(
        name=source.name,
        label=label,
        bodies_per_frame=bodies_per_frame,
        body_id=link(bodies_per_frame, joints),
        joints=joints,
    )


FORMAT = Format(files="kinetics_train/<id>.json or kinetics_val/<id>.json", find=find, read=read)


def _parse(source: Source, data: bytes, largest: int) -> dict[str, Any]:
    value = parse_lists(data, source.name, largest)
    if not isinstance(value, dict):
        raise _bad(source.name, "is not a JSON object")
    return value


def _labels(files: Sequence[Source], clips: Set[str], facts: Dataset) -> tuple[dict[str, int | None], Rows, Rows]:
    """The label of each listed clip (None: no skeleton), (name, reason) of unusable clips and files, and notes."""
    labels: dict[str, int | None] = {}
    bad: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    for file in files:
        try:
            rows = _parse(file, load_bytes(file), MOST_LABELS)
        except BadFile as error:
            bad.append((f"{file.name}.json", f"{error} Or move it away: clips contain their labels too."))
            continue
        notes.append((f"{file.name}.json", _summary(rows, clips)))
        for name in sorted(rows.keys() & clips):
            try:
                label = _listed_label(rows[name], f"{name} in {file.name}.json", facts)
                if labels.setdefault(name, label) != label:
                    raise _bad(name, "the two label files disagree about it", "Fetch them again.")
            except BadFile as error:
                bad.append((name, str(error)))
    return labels, tuple(bad), tuple(notes)


def _listed_label(row: Any, where: str, facts: Dataset) -> int | None:
    """The label in a row of a label file; None for a clip without a skeleton. Raises BadFile."""
    if not isinstance(row, dict) or type(row.get("has_skeleton")) is not bool:
        raise _bad(where, f"is {brief(row)}; a row has has_skeleton (true or false), label and label_index")
    label = _label(row, where, facts)
    return label if row["has_skeleton"] else None


def _label(row: dict[str, Any], where: str, facts: Dataset) -> int:
    index, name = row.get("label_index"), row.get("label")
    if type(index) is not int or not 0 <= index < len(facts.classes):
        raise _bad(where, f"`label_index` is {brief(index)}; it must be 0 to {len(facts.classes) - 1}")
    if name != facts.classes[index]:
        raise _bad(where, f"`label` is {brief(name)}, but `label_index` {index} is {facts.classes[index]!r}")
    return index


def _summary(rows: dict[str, Any], clips: Set[str]) -> str:
    """How many clips a label file lists and how many of them are present, as a note."""
    listed = {name for name, row in rows.items() if isinstance(row, dict) and row.get("has_skeleton") is True}
    empty = len(clips & rows.keys()) - len(clips & listed)
    left_out = f"; {empty} that are here have none and are left out" if empty else ""
    return f"lists {len(listed)} clips with a skeleton, of which {len(listed & clips)} are here{left_out}"


def _detections(clip: dict[str, Any], name: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """People per frame (L,), and x, y and score (R, 18, 3) of all of them. Raises BadFile."""
    frames = clip.get("data")
    if not isinstance(frames, list) or len(frames) > MOST_FRAMES:
        raise _bad(name, f"`data` is not a list of at most {MOST_FRAMES} frames")
    people = [_people(name, frame, number) for number, frame in enumerate(frames, 1)]
    joints = np.empty((sum(map(len, people)), JOINTS, 3), np.float32)
    pose = _numbers(name, people, "pose", 2 * JOINTS)
    joints[..., 0], joints[..., 1] = pose[:, 0::2], pose[:, 1::2]
    joints[..., 2] = _numbers(name, people, "score", JOINTS)
    return np.array(list(map(len, people)), np.int64), joints


def _people(name: str, frame: Any, number: int) -> list[dict[str, Any]]:
    """The people in one frame. Raises BadFile."""
    if not isinstance(frame, dict) or type(frame.get("frame_index")) is not int:
        raise _bad(name, f"frame {number} of `data` is no object with a whole number `frame_index`")
    if frame["frame_index"] != number:
        what = f"frame {number} of `data` has `frame_index` {frame['frame_index']}; frames count 1, 2, 3, ..."
        raise _bad(name, what)
    people = frame.get("skeleton")
    if not isinstance(people, list) or len(people) > MOST_PEOPLE:
        raise _bad(name, f"frame {number}: `skeleton` is not a list of at most {MOST_PEOPLE} people")
    if not all(isinstance(person, dict) for person in people):
        raise _bad(name, f"frame {number}: `skeleton` holds what is no object with pose and score")
    return people


def _numbers(name: str, people: Sequence[list[dict[str, Any]]], key: str, width: int) -> NDArray[np.float64]:
    """(R, width): the numbers under `key` for everybody in all frames. Raises BadFile."""
    rows = [person.get(key) for frame in people for person in frame]
    array = _array(rows, width)
    if array is not None:
        return array
    wrong = next(row for row, value in enumerate(rows) if _array([value], width) is None)
    where = [(number, person) for number, frame in enumerate(people, 1) for person in range(1, len(frame) + 1)]
    rule = f"`{key}` is {brief(rows[wrong])}; it must be {width} numbers up to {LARGEST:g}, fractions of the image"
    raise _bad(name, "frame {}, person {}: ".format(*where[wrong]) + rule)


def _array(rows: Sequence[Any], width: int) -> NDArray[np.float64] | None:
    """(R, width) float64; None unless all rows are lists of that many numbers of at most LARGEST."""
    if not all(type(row) is list and len(row) == width for row in rows):
        return None
    values = list(chain.from_iterable(rows))
    # numpy would convert true and null to numbers.
    if not set(map(type, values)) <= {float, int}:
        return None
    array = np.array(values, np.float64).reshape(-1, width)
    return array if np.abs(array).max(initial=0) <= LARGEST else None


def _bad(where: str, what: str, remedy: str = "Fetch the file again.") -> BadFile:
    return BadFile(f"{where}: {what}. {remedy}")
