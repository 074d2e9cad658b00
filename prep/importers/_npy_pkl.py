"""What the forms that are a folder of `<part><ending>.npy` and `<part>_label.pkl` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import PrepError
from prep.formats import Found, Request
from prep.importers import _clips, _labels
from prep.importers._clips import Rows, clean_name, found
from prep.untrusted import pickles
from prep.untrusted.arrays import open_npy, stamp

PARTS = ("train", "val", "test")


def find(request: Request, ending: str) -> Found:
    """Every row of the parts that the folder has. Raises PrepError where a part has not its names and labels."""
    several = []
    for part in PARTS:
        path = request.raw / f"{part}{ending}.npy"
        if path.is_file():
            several.append(_rows(request, path, request.raw / f"{part}_label.pkl"))
    return found(several)


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row as (T, M, V, C), without padding. Raises BadFile for another shape."""
    row = _clips.row_of(source, raw, (4,), "3 x frames x joints x bodies")
    return _clips.recording(source, _clips.from_channels_first(source, row, data), data)


def _rows(request: Request, path: Path, label_path: Path) -> Rows:
    at = open_npy(path)
    held = pickles.load(label_path)
    # Some feeders keep a third column, the length; the padding says it as well.
    if not isinstance(held, list | tuple) or len(held) not in (2, 3):
        raise PrepError(f"{label_path}: is not (names, labels). Fetch it again.")
    names = [clean_name(name, str(label_path)) for name in _listed(held[0])]
    if not at.shape or len(names) != at.shape[0]:
        raise PrepError(f"{label_path}: {len(names)} names for {path.name} of shape {at.shape}. Fetch it again.")
    labels, bad = _labels.from_numbers(_listed(held[1]), len(names), request.data, str(label_path))
    return Rows(at, "", f"{stamp(path)} {stamp(label_path)}", names, labels, bad)


def _listed(value: Any) -> list[Any]:
    """A list, whether it was pickled as one, as a tuple or as an array."""
    return list(value.tolist() if hasattr(value, "tolist") else value)
