"""What importers of whole data sets in one array share: rows of an array to sources, and a row to a recording."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import Found
from prep.untrusted.arrays import ArrayOnDisk, from_npy, open_npy, open_stored, read_rows, to_npy

# A larger coordinate could not be squared and summed in float32.
LARGEST = 1e12
MOST_BODIES = 8
# No control character, no separator of folders: names are printed, and others make files of them.
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,200}")
_SUFFIXES = (".skeleton", ".json", ".txt", ".npy")


@dataclass(frozen=True)
class Rows:
    """Clips that are the rows of one array: their names and labels (N,), and why some are unusable, by row.

    `member` is the name inside a .npz, empty for a .npy; `stamp` that of the file which the user holds.
    """

    at: ArrayOnDisk
    member: str
    stamp: str
    names: Sequence[str]
    labels: NDArray[np.int64]
    bad: Mapping[int, str] = field(default_factory=dict)


def found(several: Sequence[Rows]) -> Found:
    """One source per row, in the order of names. Raises PrepError for two clips of one name."""
    sources: dict[str, Source] = {}
    bad: list[tuple[str, str]] = []
    for held in several:
        for row, (name, label) in enumerate(zip(held.names, held.labels.tolist(), strict=True)):
            if name in sources:
                raise PrepError(f"{held.at.path}: holds two clips `{name}`. Which is meant? Take one of them out.")
            if row in held.bad:
                bad.append((name, held.bad[row]))
                continue
            span = (row, row + 1)
            sources[name] = Source(
                name, held.at.path, held.member, held.at.row_size, held.stamp, label=label, rows=span
            )
    return usable(Found(tuple(sources[name] for name in sorted(sources)), tuple(sorted(bad))))


def usable(found: Found) -> Found:
    """The same. Raises PrepError where clips are announced and every one is bad."""
    if found.bad and not found.sources:
        name, reason = found.bad[0]
        raise PrepError(f"none of the {len(found.bad)} clips can be used. The first, {name}: {reason}")
    return found


def load_row(source: Source) -> bytes:
    """One row of an array as the bytes of a .npy. Raises BadFile."""
    return to_npy(read_rows(_located(source.path, source.member, source.stamp, os.getpid()), *source.rows)[0])


def numbered(prefix: str, count: int) -> list[str]:
    """Names for clips that come without.

    >>> numbered("train", 2)
    ['train-000001', 'train-000002']
    """
    return [f"{prefix}-{number:06d}" for number in range(1, count + 1)]


def clean_name(name: Any, where: str) -> str:
    """A clip's name without the ending of a file name. Raises PrepError where it is none."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise PrepError(f"{where}: `{str(text)[:60]!r}` is not the name of a clip. Fetch the file again.")
    for suffix in _SUFFIXES:
        text = text.removesuffix(suffix)
    return str(text)


def row_of(source: Source, raw: bytes, axes: tuple[int, ...], what: str) -> NDArray[Any]:
    """A row that `load_row` loaded, with one of these numbers of axes (`what` in words). Raises BadFile."""
    row = from_npy(raw, source.name)
    if row.ndim not in axes or row.dtype.kind not in "fiu":
        raise BadFile(f"{source.name}: is of shape {row.shape}, type {row.dtype}; it must be numbers, {what}.")
    return row


def from_channels_first(source: Source, row: NDArray[Any], data: Dataset) -> NDArray[Any]:
    """(C, T, V, M) to (T, M, V, C). Raises BadFile where V or C are not those of the layout."""
    return _fitting(source, row.transpose(1, 3, 2, 0), data)


def from_flat(source: Source, row: NDArray[Any], data: Dataset) -> NDArray[Any]:
    """(T, M * V * C) to (T, M, V, C). Raises BadFile where V * C of the layout does not divide the width."""
    known = layout_of(data)
    each = len(known.joints) * known.coordinates
    if row.shape[1] == 0 or row.shape[1] % each:
        raise BadFile(f"{source.name}: {row.shape[1]} numbers a frame; bodies of {known.name} have {each}.")
    return _fitting(source, row.reshape(len(row), -1, len(known.joints), known.coordinates), data)


def single(joints: NDArray[Any]) -> NDArray[Any]:
    """Joints (L, M, V, C) without a second body that repeats the first.

    >>> single(np.ones((1, 2, 1, 1))).ravel().tolist()
    [1.0]
    """
    repeated = joints.shape[1] == 2 and np.array_equal(joints[:, 0], joints[:, 1], equal_nan=True)
    return joints[:, :1] if repeated else joints


def recording(source: Source, joints: NDArray[Any], data: Dataset, keep_length: bool = False) -> Recording:
    """Joints (L, M, V, C) to a Recording whose body ids are the slots; a body of zeros is absent.

    Frames without anybody at the end are padding and left out, unless the length is known to be true. Raises BadFile
    for numbers that are no coordinates, and for a name that contradicts the label.
    """
    if (np.abs(joints.astype(np.float64)) > LARGEST).any():
        raise BadFile(f"{source.name}: holds a number above {LARGEST:g}, which is no coordinate. Fetch the file again.")
    joints = np.ascontiguousarray(joints, np.float32)
    there: NDArray[np.bool_] = np.asarray(joints.any(axis=(2, 3)))
    if not keep_length:
        shown = np.flatnonzero(there.any(axis=1))
        length = shown[-1] + 1 if len(shown) else 0
        joints, there = joints[:length], there[:length]
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=there.sum(axis=1).astype(np.int64),
        body_id=np.nonzero(there)[1].astype(np.int64),
        joints=joints[there],
        **from_name(source, data),
    )


def from_name(source: Source, data: Dataset) -> dict[str, Any]:
    """Subject, camera, setup and repetition as far as the name says them. Raises BadFile for another action."""
    match = re.fullmatch(data.pattern, source.name)
    said = match.groupdict() if match else {}
    if data.labels == "name" and "action" in said and int(said["action"]) != data.actions[source.label]:
        label = f"label {source.label} is action {data.actions[source.label]}"
        raise BadFile(
            f"{source.name}: {label}, the name says {said['action']}. Names and labels do not belong together."
        )
    wanted = ("subject", "camera", "setup", "repetition")
    return {name: int(said[name]) for name in wanted if (said.get(name) or "").isdigit()}


def _fitting(source: Source, joints: NDArray[Any], data: Dataset) -> NDArray[Any]:
    known = layout_of(data)
    _, bodies, points, channels = joints.shape
    if (points, channels) != (len(known.joints), known.coordinates) or not 1 <= bodies <= MOST_BODIES:
        has = f"{bodies} bodies of {points} joints with {channels} numbers"
        rule = f"{data.name} has {len(known.joints)} joints ({known.name}) with {known.coordinates}"
        raise BadFile(f"{source.name}: {has}; {rule}. Is it another data set?")
    return joints


@lru_cache(maxsize=16)
def _located(path: str, member: str, stamp: str, process: int) -> ArrayOnDisk:
    return open_stored(Path(path), member) if member else open_npy(Path(path))
