"""SkeletonX's NTU120_1Shot.npz, NTU60_1Shot.npz and PKUMMDv2_1Shot.npz: the one-shot protocol in one file.

x_aux, x_anchor, x_eval (N, 300, 150) with y_* one-hot and name_*: auxiliary clips, the exemplars and the clips to be
told apart, prepared as CTR-GCN prepares them; a single body is repeated in the second place, which is undone.
"""

from __future__ import annotations

from manifests.dataset import Dataset
from prep.clip import Recording, Source
from prep.formats import Found, Request
from prep.importers import _clips, _npz

FILES = "*_1Shot.npz with x_aux, y_aux, name_aux, x_anchor and so on"
PREPARED = True
load = _clips.load_row
_PARTS = tuple(_npz.Part(f"x_{part}", f"y_{part}", part, f"name_{part}") for part in ("aux", "anchor", "eval"))


def find(request: Request) -> Found:
    """Every row of the three parts. Raises PrepError for two clips of one name."""
    return _npz.find(request, _PARTS)


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One row without padding and without the repeated body. Raises BadFile for another shape."""
    row = _clips.row_of(source, raw, (2,), "frames x (bodies * joints * 3)")
    return _clips.recording(source, _clips.single(_clips.from_flat(source, row, data)), data)
