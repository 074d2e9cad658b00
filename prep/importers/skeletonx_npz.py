"""SkeletonX's NTU120_1Shot.npz, NTU60_1Shot.npz and PKUMMDv2_1Shot.npz: the one-shot protocol in one file.

x_aux, x_anchor, x_eval (N, 300, 150) with y_* one-hot and name_*: auxiliary clips, exemplars and evaluation clips with
the preprocessing of CTR-GCN. A single body is repeated in the second slot; the repetition is removed.
"""

from __future__ import annotations

from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _npz

_PARTS = tuple(_npz.ClipSet(f"x_{part}", f"y_{part}", part, f"name_{part}") for part in ("aux", "anchor", "eval"))


def find(request: FindRequest) -> FindResult:
    """Every row of the three parts. Raises PrepError if two clips have the same name."""
    return _npz.find(request, _PARTS)


FORMAT = Format(
    files="*_1Shot.npz with x_aux, y_aux, name_aux, x_anchor and so on",
    find=find,
    read=_clips.read_flat_pair,
    load=_clips.load_row,
    prepared=True,
)
