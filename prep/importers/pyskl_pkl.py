"""The pickles of pyskl and mmaction2: ntu60_3danno.pkl, ntu120_3danno.pkl, ntu60_hrnet.pkl, ntu60_2d.pkl and the like.

A dictionary {split, annotations}, or only the list of annotations; an annotation is a dictionary with frame_dir (the
name of the clip), label (from 0), total_frames and

    3D    keypoint (M, T, 25, 3) float16 or float32, metres; float16 is 1 to 2 mm off at 3 m
    2D    keypoint (M, T, 17, 2) in pixels, keypoint_score (M, T, 17), img_shape (height, width); for the datasets with
          the layout coco17 (ntu60_2d, ntu120_2d): x / width, y / height, score

Entries that are None are counted in the notes of the store. The files for Kinetics-400, which keep their keypoints in
other files, are not supported.

A pickle must be read as a whole. This happens once and takes one to three times the size of the file in memory; the
keypoints of all clips are then concatenated in the scratch folder, where a build that was stopped continues.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import LARGEST_COORDINATE, Recording, Source, is_far
from prep.errors import BadFile, PrepError
from prep.files import atomic_write
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips
from prep.importers._names import clean_names
from prep.untrusted import pickles
from prep.untrusted.arrays import from_npy, open_npy, read_rows, stamp, to_npy
from prep.untrusted.brief import brief

JOINTS, INDEX = "joints.npy", "index.json"
LARGEST_SIDE = 100_000
LARGEST_GROWTH, ANY_SIZE = 8, 65_536  # bytes as integers become float32, and scores become a third coordinate
MOST_NAMELESS = 1_000  # entries without a name, in a file with few others
Remarks = list[tuple[str, str]]


def find(request: FindRequest) -> FindResult:
    """Every usable annotation. Raises PrepError if two have the same name, UnsafePickle if the pickle has code."""
    path = _clips.the_file(request.raw, "*.pkl")
    if path is None:
        return FindResult(())
    if request.scratch is None:
        raise PrepError(f"{path}: a pickle has to be unpacked, and there is no folder for that.")
    data, layout = request.data, layout_of(request.data).name
    folder = request.scratch / f"{stamp(path)}-{layout}-{len(data.classes)}"
    if not (folder / INDEX).exists():
        _unpack(path, folder, data)
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    joints = open_npy(folder / JOINTS)
    sources = [
        Source(name, joints.path, "", (stop - start) * joints.row_size, stamp(path), label, (start, stop))
        for name, label, start, stop in index["clips"]
    ]
    return FindResult(tuple(sources), _pairs(index["bad"]), _pairs(index["notes"]), frozenset([str(path)]))


def load(source: Source) -> bytes:
    """The frames of one clip, (T, M, V, C), as the bytes of a .npy. Raises BadFile."""
    try:
        return to_npy(read_rows(open_npy(Path(source.path)), *source.rows))
    except PrepError as error:
        raise BadFile(f"{source.name}: {error}") from error


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One unpacked clip with all its frames. Raises BadFile."""
    return _clips.recording(source, from_npy(raw, source.name), data, keep_length=True)


FORMAT = Format(
    files="one .pkl of annotations with frame_dir, label and keypoint", find=find, read=read, load=load, prepared=True
)


@dataclass(frozen=True)
class _Clip:
    name: str
    label: int
    joints: NDArray[Any]


def _unpack(path: Path, folder: Path, data: Dataset) -> None:
    """Write all keypoints to joints.npy, (frames, M, V, C), and then the rows of each clip to index.json."""
    clips, bad, notes = _clips_of(pickles.load(path), data, str(path), path.stat().st_size)
    clips.sort(key=lambda clip: clip.name)
    for clip, following in pairwise(clips):
        if clip.name == following.name:
            raise PrepError(f"{path}: holds two clips `{clip.name}`. Which is meant? Take one of them out.")
    layout = layout_of(data)
    bodies = max((len(clip.joints) for clip in clips), default=1)
    frames = sum(clip.joints.shape[1] for clip in clips)
    dtype = np.result_type(np.float16, *{clip.joints.dtype for clip in clips})
    shape = (frames, bodies, len(layout.joints), layout.coordinates)
    index, start = [], 0
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / JOINTS).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
        for clip in clips:
            rows = np.zeros((clip.joints.shape[1], *shape[1:]), dtype)
            rows[:, : len(clip.joints)] = clip.joints.swapaxes(0, 1)
            file.write(rows.tobytes())
            index.append((clip.name, clip.label, start, start + len(rows)))
            start += len(rows)
    atomic_write(folder / INDEX, json.dumps({"clips": index, "bad": sorted(bad), "notes": notes}))


def _clips_of(
    value: Any, data: Dataset, where: str, size: int
) -> tuple[list[_Clip], list[tuple[str, str]], list[tuple[str, str]]]:
    """The usable annotations, (name, reason) for each unusable one, and a note on those that are None.

    `size` is that of the file in bytes. Raises PrepError for a file of something else.
    """
    annotations = value.get("annotations") if isinstance(value, dict) else value
    # A row for each entry of a file of something else would take far more memory than the file.
    named = isinstance(annotations, list) and sum(_frame_dir(entry) is not None for entry in annotations)
    if not isinstance(annotations, list) or sum(entry is not None for entry in annotations) > 2 * named + MOST_NAMELESS:
        raise PrepError(f"{where}: holds no list of annotations. Is it a file of pyskl or mmaction2?")
    names, nameless = clean_names((_frame_dir(annotation) for annotation in annotations), "frame_dir")
    # Many annotations can share one array of the pickle, and each would become a clip of its own.
    left = LARGEST_GROWTH * max(size, ANY_SIZE)
    clips, bad, missing = [], [], 0
    for number, (annotation, name) in enumerate(zip(annotations, names, strict=True)):
        if annotation is None:
            missing += 1
            continue
        try:
            joints, label = _checked(annotation, data)
            if number in nameless:
                raise BadFile(nameless[number])
            clips.append(_Clip(name, label, joints))
            left -= joints.nbytes
        except PrepError as error:
            row = f"annotation {number}" if number in nameless else name
            bad.append((row, f"{Path(where).name}: {error}"))
        if left < 0:
            raise PrepError(f"{where}: the same keypoints stand in many annotations. Fetch the file again.")
    return clips, bad, [(Path(where).name, f"{missing} annotations are None")] if missing else []


def _checked(annotation: Any, data: Dataset) -> tuple[NDArray[Any], int]:
    """The joints (M, T, V, C) and the label of one annotation. Raises BadFile."""
    if not isinstance(annotation, dict) or not {"frame_dir", "label", "keypoint"} <= annotation.keys():
        raise BadFile("an annotation has not frame_dir, label and keypoint. Fetch the file again.")
    label, points, layout = annotation["label"], annotation["keypoint"], layout_of(data)
    if not isinstance(label, int | np.integer) or label not in range(len(data.classes)):
        rule = f"{data.name} has 0 to {len(data.classes) - 1}"
        raise BadFile(f"label {brief(label)} does not exist; {rule}. Name the dataset from which the file was made.")
    if not isinstance(points, np.ndarray) or points.ndim != 4 or points.dtype.kind not in "fiu":
        raise BadFile("a keypoint is no array (bodies, frames, joints, 2 or 3) of numbers. Fetch the file again.")
    total = annotation.get("total_frames", points.shape[1])
    if not isinstance(total, int | np.integer) or total != points.shape[1]:
        raise BadFile(
            f"total_frames is {brief(total)}, its keypoint has {points.shape[1]} frames. Fetch the file again."
        )
    joints = _in_image(annotation, points) if points.shape[3] == 2 else points
    if joints.shape[2:] != (len(layout.joints), layout.coordinates):
        rule = f"{data.name} has {len(layout.joints)} joints ({layout.name}) of {layout.coordinates} numbers"
        raise BadFile(f"a keypoint has shape {points.shape}; {rule}. Another dataset, or a 2D file for its 3D one?")
    if not len(joints):
        raise BadFile("a keypoint shows no person; it must show 1 at least. Leave the clip out.")
    if len(joints) > _clips.MOST_BODIES:
        rule = f"a clip has at most {_clips.MOST_BODIES}"
        raise BadFile(f"a keypoint shows {len(joints)} people; {rule}. Keep the most visible, or leave the clip out.")
    return joints if joints.dtype.kind == "f" else joints.astype(np.float32), int(label)


def _in_image(annotation: Mapping[str, Any], points: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels and scores to (M, T, V, 3): fractions of the width and height of the image, and the score."""
    score, size = annotation.get("keypoint_score"), annotation.get("img_shape")
    if not isinstance(score, np.ndarray) or score.shape != points.shape[:3] or score.dtype.kind not in "fiu":
        raise BadFile("an annotation has no keypoint_score for every keypoint. Fetch the file again.")
    sides = size if isinstance(size, tuple | list) and len(size) == 2 else []
    if not sides or not all(isinstance(side, int | np.integer) and 0 < side <= LARGEST_SIDE for side in sides):
        raise BadFile(
            f"an annotation has no img_shape (height, width) in pixels, 1 to {LARGEST_SIDE}. Fetch the file again."
        )
    if is_far(points) or is_far(score):
        raise BadFile(f"holds a number above {LARGEST_COORDINATE:g}, which is no coordinate. Fetch the file again.")
    height, width = sides
    scaled = points.astype(np.float32) / np.array([width, height], np.float32)
    return np.concatenate([scaled, score[..., None].astype(np.float32)], axis=3)


def _frame_dir(annotation: Any) -> Any:
    return annotation.get("frame_dir") if isinstance(annotation, dict) else None


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, reason) for name, reason in value)
