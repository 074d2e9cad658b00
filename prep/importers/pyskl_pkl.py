"""The pickles of pyskl and mmaction2: ntu60_3danno.pkl, ntu120_3danno.pkl, ntu60_hrnet.pkl, ntu60_2d.pkl and the like.

A dictionary {split, annotations}, or the list of annotations alone; an annotation is a dictionary with frame_dir (the
clip's name), label from 0 on, total_frames and

    3D    keypoint (M, T, 25, 3) float16 or float32, metres; float16 is 1 to 2 mm off at 3 m
    2D    keypoint (M, T, 17, 2) in pixels, keypoint_score (M, T, 17), img_shape (height, width); read into the data
          sets with the layout coco17 (ntu60_2d, ntu120_2d): x / width, y / height, score

Entries that are None are counted in the store's notes. K400's files, whose key points lie in files of their own, are
not read.

A pickle can only be read whole: that happens once, in one to three times the file's size of memory; its key points
are then laid end to end in the scratch folder, and a build that was stopped begins there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import Found, Request
from prep.importers import _clips
from prep.untrusted import pickles
from prep.untrusted.arrays import from_npy, open_npy, read_rows, stamp, to_npy

FILES = "one .pkl of annotations with frame_dir, label and keypoint"
PREPARED = True


def find(request: Request) -> Found:
    """Every annotation that can be used. Raises PrepError for two of one name, UnsafePickle where code is asked for."""
    path = _the_file(request.raw)
    if path is None:
        return Found(())
    if request.scratch is None:
        raise PrepError(f"{path}: a pickle has to be unpacked, and there is no folder for that.")
    data, layout = request.data, layout_of(request.data).name
    folder = request.scratch / f"{stamp(path)}-{layout}-{len(data.classes)}"
    if not (folder / "index.json").exists():
        _spool(path, folder, data)
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    joints = open_npy(folder / "joints.npy")
    sources = [
        Source(name, joints.path, "", (stop - start) * joints.row_size, stamp(path), label, (start, stop))
        for name, label, start, stop in index["clips"]
    ]
    return _clips.usable(Found(tuple(sources), _pairs(index["bad"]), _pairs(index["notes"])))


def load(source: Source) -> bytes:
    """The frames of one clip, (T, M, V, C), as the bytes of a .npy. Raises BadFile."""
    try:
        return to_npy(read_rows(open_npy(Path(source.path)), *source.rows))
    except PrepError as error:
        raise BadFile(f"{source.name}: {error}") from error


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One clip as it was unpacked; every frame is kept. Raises BadFile."""
    return _clips.recording(source, from_npy(raw, source.name), data, keep_length=True)


@dataclass(frozen=True)
class _Clip:
    name: str
    label: int
    joints: NDArray[Any]


def _spool(path: Path, folder: Path, data: Dataset) -> None:
    """Key points end to end in joints.npy, (frames, M, V, C), where they lie in index.json, which is written last."""
    clips, bad, notes = _clips_of(pickles.load(path), data, str(path))
    clips.sort(key=lambda clip: clip.name)
    for one, other in pairwise(clips):
        if one.name == other.name:
            raise PrepError(f"{path}: holds two clips `{one.name}`. Which is meant? Take one of them out.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    known = layout_of(data)
    bodies = max((clip.joints.shape[0] for clip in clips), default=1)
    frames = sum(clip.joints.shape[1] for clip in clips)
    kind = np.result_type(np.float16, *{clip.joints.dtype for clip in clips})
    shape = (frames, bodies, len(known.joints), known.coordinates)
    index, start = [], 0
    with (folder / "joints.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": kind.str, "fortran_order": False, "shape": shape})
        for clip in clips:
            filled = np.zeros((clip.joints.shape[1], *shape[1:]), kind)
            filled[:, : len(clip.joints)] = clip.joints.swapaxes(0, 1)
            file.write(filled.tobytes())
            index.append((clip.name, clip.label, start, start + len(filled)))
            start += len(filled)
    text = json.dumps({"clips": index, "bad": sorted(bad), "notes": notes})
    (folder / "index.json.writing").write_text(text, encoding="utf-8")
    (folder / "index.json.writing").replace(folder / "index.json")


def _clips_of(held: Any, data: Dataset, where: str) -> tuple[list[_Clip], list[tuple[str, str]], list[tuple[str, str]]]:
    """The annotations that can be used, (name, reason) of the others, and a note on those that are None."""
    annotations = held.get("annotations") if isinstance(held, dict) else held
    if not isinstance(annotations, list):
        raise PrepError(f"{where}: holds no list of annotations. Is it a file of pyskl or mmaction2?")
    clips, bad, blank = [], [], 0
    for number, annotation in enumerate(annotations):
        if annotation is None:
            blank += 1
            continue
        try:
            clips.append(_clip(annotation, data))
        except BadFile as error:
            bad.append((_name(annotation, number), str(error)))
    return clips, bad, [(Path(where).name, f"{blank} annotations are None")] if blank else []


def _clip(annotation: Any, data: Dataset) -> _Clip:
    if not isinstance(annotation, dict) or not {"frame_dir", "label", "keypoint"} <= annotation.keys():
        raise BadFile("has not frame_dir, label and keypoint.")
    label, points = annotation["label"], annotation["keypoint"]
    if not isinstance(label, int | np.integer) or label not in range(len(data.classes)):
        raise BadFile(f"label {str(label)[:40]} does not exist; {data.name} has 0 to {len(data.classes) - 1}.")
    if not isinstance(points, np.ndarray) or points.ndim != 4 or points.dtype.kind != "f":
        raise BadFile("its keypoint is no array (bodies, frames, joints, 2 or 3) of numbers.")
    total = annotation.get("total_frames", points.shape[1])
    if total != points.shape[1]:
        raise BadFile(f"total_frames is {str(total)[:40]}, its keypoint has {points.shape[1]} frames.")
    known = layout_of(data)
    joints = _in_image(annotation, points) if points.shape[3] == 2 else points
    if joints.shape[2:] != (len(known.joints), known.coordinates) or not 1 <= len(joints) <= _clips.MOST_BODIES:
        rule = f"{data.name} has {len(known.joints)} joints ({known.name}) of {known.coordinates} numbers"
        raise BadFile(f"its keypoint has shape {points.shape}; {rule}. Another data set, or a 2D file for its 3D one?")
    return _Clip(_clips.clean_name(annotation["frame_dir"], "frame_dir"), int(label), joints)


def _in_image(annotation: Mapping[str, Any], points: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels and scores to (M, T, V, 3): parts of the image's width and height, and the score."""
    score, size = annotation.get("keypoint_score"), annotation.get("img_shape")
    if not isinstance(score, np.ndarray) or score.shape != points.shape[:3] or score.dtype.kind != "f":
        raise BadFile("has no keypoint_score for every key point.")
    if not isinstance(size, tuple | list) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise BadFile("has no img_shape (height, width).")
    height, width = size
    scaled = points.astype(np.float32) / np.array([width, height], np.float32)
    return np.concatenate([scaled, score[..., None].astype(np.float32)], axis=3)


def _name(annotation: Any, number: int) -> str:
    name = annotation.get("frame_dir") if isinstance(annotation, dict) else None
    return name[:200] if isinstance(name, str) else f"annotation {number}"


def _the_file(raw: Path) -> Path | None:
    if raw.is_file():
        return raw
    held: Iterator[Path] = raw.glob("*.pkl")
    paths = sorted(held)
    if len(paths) > 1:
        raise PrepError(f"{raw}: holds {', '.join(path.name for path in paths)}. Name the file instead of the folder.")
    return paths[0] if paths else None


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, reason) for name, reason in value)
