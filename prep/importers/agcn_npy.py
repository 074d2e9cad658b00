"""2s-AGCN's folders, which Shift-GCN, MS-G3D and others also read: one of xsub, xview, xset or kinetics.

{train,val}_data_joint.npy (N, 3, 300, V, M) float32 and {train,val}_label.pkl (names, labels from 0). The clips of NTU
have the preprocessing `agcn` and are repeated up to 300 frames, so their true length is lost. Kinetics has x - 0.5,
0.5 - y and the score; y is flipped back to y - 0.5, as in st-gcn: it points down the image, as in the raw file.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Recording, Source
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _npy_pkl


def find(request: FindRequest) -> FindResult:
    """Every row of every part. Raises PrepError."""
    return _npy_pkl.find(request, "_data_joint")


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row as (T, M, V, C), without padding. Raises BadFile for another shape."""
    recording = _npy_pkl.read(source, raw, data)
    if layout_of(data).unit != "image":
        return recording
    # Adding zero turns the -0 of an undetected joint into 0.
    return replace(recording, joints=recording.joints * np.array([1, -1, 1], np.float32) + np.float32(0))


FORMAT = Format(
    files="{train,val}_data_joint.npy with {train,val}_label.pkl",
    find=find,
    read=read,
    load=_clips.load_row,
    prepared=True,
)
