"""Shared by importers of arrays with one clip per row: from rows to sources, and from a row to a recording."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from manifests.pattern import match_name
from prep.clip import LARGEST_COORDINATE, Recording, Source, is_far
from prep.errors import BadFile, PrepError
from prep.formats import FindResult
from prep.untrusted.arrays import ArrayOnDisk, from_npy, open_npy, open_stored, read_rows, to_npy

MOST_BODIES = 8
LEAST_BYTES = 16  # of a file for each clip; a clip of zeros, packed as small as possible, has about 200


@dataclass(frozen=True)
class ClipRows:
    """Clips that are the rows of one array: their names and labels (N,), and the reason for each unusable row.

    `member` is the name of the array inside a .npz, empty for a .npy; `stamp` belongs to the user's file.
    """

    array: ArrayOnDisk
    member: str
    stamp: str
    names: Sequence[str]
    labels: NDArray[np.int64]
    bad: Mapping[int, str] = field(default_factory=dict)


def count_of(array: ArrayOnDisk, path: Path) -> int:
    """The number of clips, one per row of an array in the file `path`.

    Raises PrepError if the file has too few bytes for so many: every clip takes memory, however small it is packed.
    """
    count, size = array.shape[0] if array.shape else 0, path.stat().st_size
    if count * LEAST_BYTES > size:
        rule = f"announces {count} clips in {size} bytes; a clip takes at least {LEAST_BYTES}"
        raise PrepError(f"{path}: {rule}. Fetch it again.")
    return count


def sources_of(parts: Sequence[ClipRows], paths: Iterable[Path]) -> FindResult:
    """One source per row, sorted by name, from the files `paths`. Raises PrepError if two clips have the same name."""
    sources: dict[str, Source] = {}
    bad: list[tuple[str, str]] = []
    for part in parts:
        array = part.array
        for row, (name, label) in enumerate(zip(part.names, part.labels.tolist(), strict=True)):
            if row in part.bad:
                bad.append((name, part.bad[row]))
                continue
            if name in sources:
                raise PrepError(f"{array.path}: holds two clips `{name}`. Which is meant? Take one of them out.")
            sources[name] = Source(
                name, array.path, part.member, array.row_size, part.stamp, label=label, rows=(row, row + 1)
            )
    seen = frozenset(map(str, paths))
    return FindResult(tuple(sources[name] for name in sorted(sources)), tuple(sorted(bad)), seen=seen)


def the_file(raw: Path, *patterns: str) -> Path | None:
    """`raw` itself if it is a file, or the only file of a folder that matches a pattern. Raises PrepError for several.

    Named pipes and devices are left out, so that nobody waits for them.
    """
    if not raw.is_dir():
        return raw if raw.is_file() else None
    return only_one(raw, sorted(path for pattern in patterns for path in raw.glob(pattern) if path.is_file()))


def only_one(folder: Path, paths: Sequence[Path]) -> Path | None:
    """The path, or None without any. Raises PrepError for several."""
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise PrepError(f"{folder}: holds {names}. Name the file instead of the folder.")
    return paths[0] if paths else None


def load_row(source: Source) -> bytes:
    """One row of an array as the bytes of a .npy. Raises BadFile."""
    return to_npy(read_rows(_array_of(source.path, source.member, source.stamp, os.getpid()), *source.rows)[0])


def numbered(prefix: str, count: int) -> list[str]:
    """Names for clips of a file without names.

    >>> numbered("train", 2)
    ['train-000001', 'train-000002']
    """
    return [f"{prefix}-{number:06d}" for number in range(1, count + 1)]


def parse_row(source: Source, raw: bytes, axes: tuple[int, ...], what: str) -> NDArray[Any]:
    """The array that `load_row` loaded. Raises BadFile unless it has one of these numbers of axes, meaning `what`."""
    row = from_npy(raw, source.name)
    if row.ndim not in axes or row.dtype.kind not in "fiu":
        raise BadFile(f"{source.name}: is of shape {row.shape}, type {row.dtype}; it must be numbers, {what}.")
    return row


def from_channels_first(source: Source, row: NDArray[Any], data: Dataset) -> NDArray[Any]:
    """(C, T, V, M) to (T, M, V, C). Raises BadFile if V or C differ from the layout."""
    return _check_layout(source, row.transpose(1, 3, 2, 0), data)


def from_flat(source: Source, row: NDArray[Any], data: Dataset) -> NDArray[Any]:
    """(T, M * V * C) to (T, M, V, C). Raises BadFile if the width is no multiple of V * C of the layout."""
    layout = layout_of(data)
    body = len(layout.joints) * layout.coordinates
    if row.shape[1] == 0 or row.shape[1] % body:
        raise BadFile(f"{source.name}: {row.shape[1]} numbers a frame; bodies of {layout.name} have {body}.")
    shape = (len(row), row.shape[1] // body, len(layout.joints), layout.coordinates)
    return _check_layout(source, row.reshape(shape), data)


def drop_repeated_body(joints: NDArray[Any]) -> NDArray[Any]:
    """Joints (L, M, V, C) without a second body that repeats the first.

    >>> drop_repeated_body(np.ones((1, 2, 1, 1))).ravel().tolist()
    [1.0]
    """
    repeated = joints.shape[1] == 2 and np.array_equal(joints[:, 0], joints[:, 1], equal_nan=True)
    return joints[:, :1] if repeated else joints


def recording(source: Source, joints: NDArray[Any], data: Dataset, keep_length: bool = False) -> Recording:
    """Joints (L, M, V, C) to a Recording whose body ids are the slots; a body of zeros is absent.

    Empty frames at the end are padding and left out, unless `keep_length`. Raises BadFile for numbers that cannot be
    coordinates, and for a name that contradicts the label.
    """
    if is_far(joints):
        raise BadFile(
            f"{source.name}: holds a number above {LARGEST_COORDINATE:g}, which is no coordinate. Fetch the file again."
        )
    joints = np.ascontiguousarray(joints, np.float32)
    present: NDArray[np.bool_] = np.asarray(joints.any(axis=(2, 3)))
    if not keep_length:
        occupied = np.flatnonzero(present.any(axis=1))
        length = occupied[-1] + 1 if len(occupied) else 0
        joints, present = joints[:length], present[:length]
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=present.sum(axis=1).astype(np.int64),
        body_id=np.nonzero(present)[1].astype(np.int64),
        joints=joints[present],
        **details_of(source, data),
    )


def details_of(source: Source, data: Dataset) -> dict[str, Any]:
    """Subject, camera, setup and repetition, where the name contains them. Raises BadFile if it has another action."""
    match = match_name(data.pattern, source.name)
    groups = match.groupdict() if match else {}
    if data.labels == "name" and "action" in groups and int(groups["action"]) != data.actions[source.label]:
        label = f"label {source.label} is action {data.actions[source.label]}"
        raise BadFile(
            f"{source.name}: {label}, the name says {groups['action']}. Names and labels do not belong together."
        )
    details = ("subject", "camera", "setup", "repetition")
    return {name: int(groups[name]) for name in details if (groups.get(name) or "").isdigit()}


def _check_layout(source: Source, joints: NDArray[Any], data: Dataset) -> NDArray[Any]:
    layout = layout_of(data)
    _, bodies, points, channels = joints.shape
    if (points, channels) != (len(layout.joints), layout.coordinates) or not 1 <= bodies <= MOST_BODIES:
        has = f"{bodies} bodies of {points} joints with {channels} numbers"
        rule = f"{data.name} has {len(layout.joints)} joints ({layout.name}) with {layout.coordinates}"
        raise BadFile(f"{source.name}: {has}; {rule}. Is it another dataset?")
    return joints


@lru_cache(maxsize=16)
def _array_of(path: str, member: str, stamp: str, process: int) -> ArrayOnDisk:
    return open_stored(Path(path), member) if member else open_npy(Path(path))


def read_flat_pair(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row of CTR-GCN's arrays, without padding and without the repeated body. Raises BadFile for another shape."""
    row = parse_row(source, raw, (2,), "frames x (bodies * joints * 3)")
    return recording(source, drop_repeated_body(from_flat(source, row, data)), data)
