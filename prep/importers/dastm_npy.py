"""DASTM's triples {train,val,test}_data.npy, _label.npy and _frame.npy: few-shot subsets of NTU and Kinetics.

data (n, 3, 300, V, M) float32, preprocessed by its authors with code that their repository does not contain; label (n,)
the class numbers of the whole dataset, from 0; frame (n,) the true lengths. There are no names, so clips are called
train-000001 and so on. The files of `fsprep export --format npy` are read as well: data.npy, label.npy, frame.npy and
names.txt.

The time axis is in order here. DASTM's own loader mixes it with the channels of every clip of 30 frames or more; to
repeat that, train with the sampling rule `dastm_official`, see zoo/recipes/dastm_official.toml.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _labels
from prep.importers._names import clean_names
from prep.untrusted.arrays import from_npy, open_npy, read_all, read_rows, stamp, to_npy

PARTS = ("train_", "val_", "test_", "")
FILES = ("data.npy", "label.npy", "frame.npy", "names.txt")


def find(request: FindRequest) -> FindResult:
    """Every row of the parts in the folder. Raises PrepError if a part lacks its labels or lengths."""
    parts = [part for part in PARTS if (request.raw / f"{part}data.npy").is_file()]
    paths = [request.raw / f"{part}{file}" for part in parts for file in FILES]
    return _clips.sources_of([_rows(request, part) for part in parts], paths)


def load(source: Source) -> bytes:
    """One row without its padding, (C, L, V, M), as the bytes of a .npy. Raises BadFile."""
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
    row = _clips.parse_row(source, raw, (4,), "3 x frames x joints x bodies")
    return _clips.recording(source, _clips.from_channels_first(source, row, data), data, keep_length=True)


FORMAT = Format(
    files="{train,val,test}_data.npy with _label.npy and _frame.npy", find=find, read=read, load=load, prepared=True
)


def _rows(request: FindRequest, part: str) -> _clips.ClipRows:
    path = request.raw / f"{part}data.npy"
    array, label_path, frame_path = open_npy(path), _beside(path, "label"), _beside(path, "frame")
    count = _clips.count_of(array, path)
    labels, bad = _labels.from_array(read_all(open_npy(label_path)), count, request.data, str(label_path))
    lengths = open_npy(frame_path)
    if lengths.shape not in ((count,), (count, 1)) or np.dtype(lengths.dtype).kind not in "iuf":
        raise PrepError(f"{frame_path}: lengths of shape {lengths.shape} for {count} clips. Fetch it again.")
    (names, nameless), stamps = (
        _names(request.raw, part, count),
        [stamp(file) for file in (path, label_path, frame_path)],
    )
    return _clips.ClipRows(array, "", " ".join(stamps), names, labels, bad | nameless)


def _names(folder: Path, part: str, count: int) -> tuple[list[str], dict[int, str]]:
    path = folder / f"{part}names.txt"
    if not path.is_file():
        return _clips.numbered(part.removesuffix("_") or "clip", count), {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PrepError(f"{path}: cannot be read as a list of names ({error}).") from error
    if len(lines) != count:
        raise PrepError(f"{path}: {len(lines)} names for {count} clips. Fetch it again.")
    return clean_names(lines, str(path))


def _beside(path: Path, what: str) -> Path:
    return path.with_name(path.name.removesuffix("data.npy") + what + ".npy")
