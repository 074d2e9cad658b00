"""PKU-MMD in the files of skeleton pre-training papers: one .npz of trimmed clips.

MAMP and CMD: PKUv1_{XSub,XView}.npz with x_train, x_test (N, 300, 150), labels one-hot; slices of the raw recording,
cut after 300 frames, not centred. STAR: pkuv1_{xsub,xview}.npz with x (N, 3, 64, 25, 2) and y (N, 1), clips centred,
rotated and resampled to 64 frames. Neither has names. The files of `fsprep export --format npz` are read as well: x
(N, T, M * V * C), y one-hot, names and the true lengths, `frames`.
"""

from __future__ import annotations

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _npz

_PARTS = (
    _npz.ClipSet("x_train", "y_train", "train"),
    _npz.ClipSet("x_test", "y_test", "test"),
    _npz.ClipSet("x", "y", "clip", "names"),
)


def find(request: FindRequest) -> FindResult:
    """Every row of every part. Raises PrepError."""
    return _npz.find(request, _PARTS)


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row without padding. Raises BadFile for another shape."""
    row = _clips.parse_row(source, raw, (2, 4), "frames x (bodies * joints * 3) or 3 x frames x joints x bodies")
    joints = _clips.from_flat(source, row, data) if row.ndim == 2 else _clips.from_channels_first(source, row, data)
    return _clips.recording(source, joints, data)


FORMAT = Format(
    files="PKUv1_*.npz with x_train and y_train, or an .npz with x and y",
    find=find,
    read=read,
    load=_clips.load_row,
    prepared=True,
)
