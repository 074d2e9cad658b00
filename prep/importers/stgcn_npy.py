"""st-gcn's folders NTU-RGB-D/{xsub,xview} and kinetics-skeleton.

{train,val}_data.npy (N, 3, 300, V, M) float32 and {train,val}_label.pkl (names, labels from 0). NTU: metres as
recorded, the first two bodies of each frame in the order of the file, without tracking. Kinetics: x - 0.5, y - 0.5,
score, for the two persons with the highest scores; the first of the 300 frames is empty, since the files count from 1.
"""

from __future__ import annotations

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _npy_pkl


def find(request: FindRequest) -> FindResult:
    """Every row of every part. Raises PrepError."""
    return _npy_pkl.find(request, "_data")


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row as (T, M, V, C), without padding. Raises BadFile for another shape."""
    return _npy_pkl.read(source, raw, data)


FORMAT = Format(
    files="{train,val}_data.npy with {train,val}_label.pkl", find=find, read=read, load=_clips.load_row, prepared=True
)
