"""DASTM's triples {train,val,test}_data.npy, _label.npy and _frame.npy: few-shot subsets of NTU and Kinetics.

data (n, 3, 300, V, M) float32, prepared by its authors in a way that their repository does not show; label (n,) the
class numbers of the whole data set, from 0 on; frame (n,) the true lengths. There are no names, so clips are called
train-000001 and so on. Read as well is what `fsprep export --format npy` writes: data.npy, label.npy, frame.npy and
names.txt.

The time axis is in order here. It is DASTM's own loader that mixes it with the channels of every clip of 30 frames or
more; to repeat that, train with `data.scrambled = true` (and `data.frozen = true` and `data.train_rule =
"dastm_official"` for its draw of frames), as zoo/recipes/dastm_official.toml says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import Found, Request
from prep.importers import _clips, _labels
from prep.untrusted.arrays import from_npy, open_npy, read_all, read_rows, stamp, to_npy

FILES = "{train,val,test}_data.npy with _label.npy and _frame.npy"
PREPARED = True
PARTS = ("train_", "val_", "test_", "")


def find(request: Request) -> Found:
    """Every row of the parts that the folder has. Raises PrepError where a part has not its labels and lengths."""
    found = [_rows(request, part) for part in PARTS if (request.raw / f"{part}data.npy").is_file()]
    return _clips.found(found)


def load(source: Source) -> bytes:
    """The frames of one row that are no padding, (C, L, V, M), as the bytes of a .npy. Raises BadFile."""
    row = from_npy(_clips.load_row(source), source.name)
    try:
        length = read_rows(open_npy(_beside(Path(source.path), "frame")), *source.rows).reshape(-1)[0]
    except PrepError as error:
        raise BadFile(f"{source.name}: {error}") from error
    if row.ndim != 4 or not 0 <= length <= row.shape[1] or length != int(length):
        raise BadFile(f"{source.name}: {length} frames announced, the row has shape {row.shape}. Fetch it again.")
    return to_npy(np.ascontiguousarray(row[:, : int(length)]))


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row as (L, M, V, C). Raises BadFile for another shape."""
    row = _clips.row_of(source, raw, (4,), "3 x frames x joints x bodies")
    return _clips.recording(source, _clips.from_channels_first(source, row, data), data, keep_length=True)


def _rows(request: Request, part: str) -> _clips.Rows:
    path = request.raw / f"{part}data.npy"
    at, label_path, frame_path = open_npy(path), _beside(path, "label"), _beside(path, "frame")
    count = at.shape[0] if at.shape else 0
    labels, bad = _labels.from_array(read_all(open_npy(label_path)), count, request.data, str(label_path))
    lengths = open_npy(frame_path)
    if lengths.shape not in ((count,), (count, 1)) or np.dtype(lengths.dtype).kind not in "iuf":
        raise PrepError(f"{frame_path}: lengths of shape {lengths.shape} for {count} clips. Fetch it again.")
    names, stamps = _names(request.raw, part, count), [stamp(each) for each in (path, label_path, frame_path)]
    return _clips.Rows(at, "", " ".join(stamps), names, labels, bad)


def _names(folder: Path, part: str, count: int) -> list[str]:
    path = folder / f"{part}names.txt"
    if not path.is_file():
        return _clips.numbered(part.removesuffix("_") or "clip", count)
    names = [_clips.clean_name(line, str(path)) for line in path.read_text(encoding="utf-8").splitlines()]
    if len(names) != count:
        raise PrepError(f"{path}: {len(names)} names for {count} clips. Fetch it again.")
    return names


def _beside(path: Path, what: str) -> Path:
    return path.with_name(path.name.removesuffix("data.npy") + what + ".npy")
