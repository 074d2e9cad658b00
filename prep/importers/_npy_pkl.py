"""Shared by the formats that are a folder of `<part><suffix>.npy` and `<part>_label.pkl`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import PrepError
from prep.formats import FindRequest, FindResult
from prep.importers import _clips, _labels
from prep.importers._clips import ClipRows, sources_of
from prep.importers._names import clean_names
from prep.untrusted import pickles
from prep.untrusted.arrays import open_npy, stamp

PARTS = ("train", "val", "test")


def find(request: FindRequest, suffix: str) -> FindResult:
    """Every row of the parts in the folder. Raises PrepError if a part lacks its names or labels."""
    parts, paths = [], []
    for part in PARTS:
        path = request.raw / f"{part}{suffix}.npy"
        if path.is_file():
            paths += [path, request.raw / f"{part}_label.pkl"]
            parts.append(_rows(request, *paths[-2:]))
    return sources_of(parts, paths)


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row as (T, M, V, C), without padding. Raises BadFile for another shape."""
    row = _clips.parse_row(source, raw, (4,), "3 x frames x joints x bodies")
    return _clips.recording(source, _clips.from_channels_first(source, row, data), data)


def _rows(request: FindRequest, path: Path, label_path: Path) -> ClipRows:
    array = open_npy(path)
    value = pickles.load(label_path)
    # Some feeders keep a third column, the length; the padding gives it as well.
    columns = [_as_list(column) for column in value] if isinstance(value, list | tuple) else []
    if len(columns) not in (2, 3) or None in columns[:2]:
        raise PrepError(f"{label_path}: is not (names, labels). Fetch it again.")
    column = columns[0] or []
    if not array.shape or len(column) != _clips.count_of(array, path):
        raise PrepError(f"{label_path}: {len(column)} names for {path.name} of shape {array.shape}. Fetch it again.")
    names, nameless = clean_names(column, str(label_path))
    labels, bad = _labels.from_numbers(columns[1], len(names), request.data, str(label_path))
    return ClipRows(array, "", f"{stamp(path)} {stamp(label_path)}", names, labels, bad | nameless)


def _as_list(value: Any) -> list[Any] | None:
    """A pickled list, tuple or array as a list; None for anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value.tolist())
    return list(value) if isinstance(value, list | tuple) else None
