"""Kinetics-skeleton, as released with ST-GCN: `kinetics_train/<id>.json`, `kinetics_val/<id>.json` and two label files.

A clip is one JSON object `{"data": [frame, ...], "label": name, "label_index": 0 to 399}`; a frame is `{"frame_index":
1, 2, 3, ..., "skeleton": [person, ...]}`, with nobody in it at times; a person is `{"pose": [x0, y0, ... x17, y17],
"score": [18 numbers]}` in OpenPose's order, x and y in parts of the image's width and height from its top left corner
(a little beyond 1 at times), (0, 0) with score 0 where a joint was not found. People have no names: `_link.py`
follows them. An id is the 11 characters of the video's, and may begin with `-` or `_`.

`kinetics_val_label.json` is `{id: {"has_skeleton": bool, "label": name, "label_index": number}, ...}`. Where it is,
it and the clip must agree, and clips that it says have no skeleton are left out, as ST-GCN does. It lists the whole
release: that the user holds a part is no fault and becomes a note in the store. Without it, clips say their own label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import chain
from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import find_sources, load_bytes

LABEL_FILES = ("kinetics_train_label", "kinetics_val_label")
JOINTS = 18
# Real files have at most 300 frames, 11 people in one and 1 MB. Far more is an error or an attack.
MOST_FRAMES, MOST_PEOPLE, MOST_BYTES = 10_000, 200, 16 * 2**20
# Real coordinates and scores end near 1.2; pixels are in the hundreds.
LARGEST = 10.0

# People in each frame (L,); x, y and score (R, 18, 3) of all of them.
Shown = tuple[NDArray[np.int64], NDArray[np.float32]]


def find(request: FindRequest) -> FindResult:
    """Every `.json` file below the folder that is no label file, in folders and zips, with what the label files say.

    Bad are clips to which the label files give no class that exists, or two, and a label file that cannot be read (its
    clips are found all the same). Raises PrepError for two files of one name.
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
    return FindResult(tuple(sources), tuple(bad), tuple(notes))


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """One file's bytes to a Recording, (R, 18, 3) x, y and score, with the tracks of `link` as body ids.

    Raises BadFile when name, keys, label, frame numbers or numbers break the form; the message says which.
    """
    from prep.readers._link import link

    if not re.fullmatch(facts.pattern, source.name):
        raise _bad(source.name, "the name is not the 11 characters of a video's id", "Move the file away.")
    if len(data) > MOST_BYTES:
        raise _bad(source.name, f"has {len(data)} bytes; a clip has at most {MOST_BYTES}")
    clip, shown = _as_released(data) or (_parse(source, data), None)
    label = _label(clip, source.name, facts)
    if source.label not in (-1, label):
        own, other = (f"{number} ({facts.classes[number]})" for number in (label, source.label))
        raise _bad(source.name, f"is labelled {own} inside and {other} in the label file", "Fetch both again.")
    people, joints = shown or _shown(clip, source.name)
    return Recording(
        name=source.name, label=label, bodies_per_frame=people, body_id=link(people, joints), joints=joints
    )


FORMAT = Format(files="kinetics_train/<id>.json or kinetics_val/<id>.json", find=find, read=read)


def _as_released(data: bytes) -> tuple[dict[str, Any], Shown] | None:
    """What stands beside the frames, and what the frames show; None unless all is written as in the release.

    The same numbers as by `_parse` and `_shown`, in a third of the time.
    """
    import orjson

    from prep.readers import _kinetics_scan as scanner

    people = np.empty(MOST_FRAMES, np.int64)
    joints = np.empty((len(data) // scanner.SMALLEST_PERSON, JOINTS, 3), np.float32)
    text = np.frombuffer(data + b"\0", np.uint8)
    place, frames, rows = scanner.scan(text, people, joints, MOST_PEOPLE, LARGEST)
    if place < 0 or data[place : place + 1] != b",":
        return None
    try:
        beside = orjson.loads(b"{" + data[place + 1 :])
    except orjson.JSONDecodeError:
        return None
    # Nothing after the comma is no JSON; of two `data` the second counts.
    if not beside or "data" in beside:
        return None
    return beside, (people[:frames].copy(), joints[:rows].copy())


def _parse(source: Source, data: bytes) -> dict[str, Any]:
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _bad(source.name, f"is not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise _bad(source.name, "is not a JSON object")
    return value


def _labels(
    files: Sequence[Source], here: Set[str], facts: Dataset
) -> tuple[dict[str, int | None], list[tuple[str, str]], list[tuple[str, str]]]:
    """The label (None: no skeleton) of clips that are here, (name, reason) of bad clips and files, and notes."""
    labels: dict[str, int | None] = {}
    bad: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    for file in files:
        try:
            rows = _parse(file, load_bytes(file))
        except BadFile as error:
            bad.append((f"{file.name}.json", f"{error} Or move it away: clips say their own label too."))
            continue
        notes.append((f"{file.name}.json", _count(rows, here)))
        for name in sorted(rows.keys() & here):
            try:
                said = _announced(rows[name], f"{name} in {file.name}.json", facts)
                if labels.setdefault(name, said) != said:
                    raise _bad(name, "the two label files disagree about it", "Fetch them again.")
            except BadFile as error:
                bad.append((name, str(error)))
    return labels, bad, notes


def _announced(row: Any, where: str, facts: Dataset) -> int | None:
    """The label that a label file's row gives; None of a clip without a skeleton. Raises BadFile."""
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


def _count(rows: dict[str, Any], here: Set[str]) -> str:
    """What a label file lists, in words."""
    shown = {name for name, row in rows.items() if isinstance(row, dict) and row.get("has_skeleton") is True}
    empty = len(here & rows.keys()) - len(here & shown)
    left = f"; {empty} that are here have none and are left out" if empty else ""
    return f"lists {len(shown)} clips with a skeleton, of which {len(shown & here)} are here{left}"


def _shown(clip: dict[str, Any], name: str) -> Shown:
    """What the frames of a parsed clip show. Raises BadFile."""
    frames = clip.get("data")
    if not isinstance(frames, list) or len(frames) > MOST_FRAMES:
        raise _bad(name, f"`data` is not a list of at most {MOST_FRAMES} frames")
    shown = [_people(name, frame, number) for number, frame in enumerate(frames, 1)]
    people = np.array([len(persons) for persons in shown], np.int64)
    joints = np.empty((int(people.sum()), JOINTS, 3), np.float32)
    pose = _numbers(name, shown, "pose", 2 * JOINTS)
    joints[..., 0], joints[..., 1] = pose[:, 0::2], pose[:, 1::2]
    joints[..., 2] = _numbers(name, shown, "score", JOINTS)
    return people, joints


def _people(name: str, frame: Any, number: int) -> list[dict[str, Any]]:
    """The people of one frame. Raises BadFile."""
    if not isinstance(frame, dict) or type(frame.get("frame_index")) is not int:
        raise _bad(name, f"frame {number} of `data` is no object with a whole number `frame_index`")
    if frame["frame_index"] != number:
        raise _bad(
            name, f"frame {number} of `data` has `frame_index` {frame['frame_index']}; frames count 1, 2, 3, ..."
        )
    people = frame.get("skeleton")
    if not isinstance(people, list) or len(people) > MOST_PEOPLE:
        raise _bad(name, f"frame {number}: `skeleton` is not a list of at most {MOST_PEOPLE} people")
    if not all(isinstance(person, dict) for person in people):
        raise _bad(name, f"frame {number}: `skeleton` holds what is no object with pose and score")
    return people


def _numbers(name: str, shown: Sequence[list[dict[str, Any]]], key: str, width: int) -> NDArray[np.float64]:
    """(R, width): the numbers under `key` of everybody. Raises BadFile."""
    rows = [person.get(key) for people in shown for person in people]
    if _fits(rows, width):
        return np.array(rows, np.float64).reshape(-1, width)
    wrong = next(row for row in range(len(rows)) if not _fits(rows[row : row + 1], width))
    places = [(number, place) for number, people in enumerate(shown, 1) for place in range(1, len(people) + 1)]
    rule = f"`{key}` is {brief(rows[wrong])}; it must be {width} numbers up to {LARGEST:g}, parts of the image"
    raise _bad(name, "frame {}, person {}: ".format(*places[wrong]) + rule)


def _fits(rows: Sequence[Any], width: int) -> bool:
    """Whether all are lists of that many numbers within bounds; numpy would take true and null for numbers."""
    if not all(type(row) is list and len(row) == width for row in rows):
        return False
    if not set(map(type, chain.from_iterable(rows))) <= {float, int}:
        return False
    return not rows or float(np.abs(np.array(rows, np.float64)).max()) <= LARGEST


def _bad(where: str, what: str, remedy: str = "Fetch the file again.") -> BadFile:
    return BadFile(f"{where}: {what}. {remedy}")
