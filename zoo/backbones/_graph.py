"""Skeleton graphs: the adjacency matrices that a Layout's bones give.

Everywhere `adjacency[p, v, w]` is the weight with which partition p carries joint v (source) to joint w (output).
The matrices are computed in float64 and rounded to float32, as the authors' code rounds them. Each is a function of
the hops between joints alone, on the device of the hops, so that DropEdge can compute it again for fewer bones.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from manifests.layout import Layout

FAR = 10**9
"""The hop count of two joints that no walk connects."""


def bone_paths(layout: Layout) -> Bool[Tensor, "V V E"]:
    """True where the path from one joint to another passes a bone, numbered as in `layout.bones`."""
    to_root = torch.zeros(len(layout.joints), len(layout.bones), dtype=torch.bool)
    parent = {child: (bone, joint) for bone, (child, joint) in enumerate(layout.bones)}
    for joint in range(len(layout.joints)):
        above = joint
        while above in parent:
            bone, above = parent[above]
            to_root[joint, bone] = True
    return to_root[:, None] ^ to_root[None, :]


def hops(layout: Layout) -> Int[Tensor, "V V"]:
    """Bones between every two joints: 0 on the diagonal, 1 along a bone."""
    return bone_paths(layout).sum(-1)


def outward_bones(layout: Layout) -> Bool[Tensor, "V V"]:
    """True at [parent, child] of every bone."""
    outward = torch.zeros(len(layout.joints), len(layout.joints), dtype=torch.bool)
    for child, parent in layout.bones:
        outward[parent, child] = True
    return outward


def spatial_partition(hops: Int[Tensor, "V V"], centre: int, exact_hops: bool = False) -> Float[Tensor, "P V V"]:
    """ST-GCN's three partitions: self, source as far from or farther than the centre, source nearer (Yan et al., 2018).

    The authors count hops only up to one, so every joint beyond the centre's neighbours is equally (infinitely) far
    and its bones fall into partition 1 in both directions. `exact_hops=False` keeps that; True counts all hops.
    All three matrices together have columns that sum to one.
    """
    total = normalised_columns(hops.le(1).double())
    to_centre = hops[centre] if exact_hops else hops[centre].masked_fill(hops[centre] > 1, FAR)
    nearer = to_centre[:, None] < to_centre[None, :]
    own = hops.eq(0)
    return torch.stack([total * part for part in (own, ~own & ~nearer, nearer)]).float()


def directed_partition(hops: Int[Tensor, "V V"], outward: Bool[Tensor, "V V"]) -> Float[Tensor, "P V V"]:
    """2s-AGCN's three partitions: self, outward from parent to child, inward from child to parent (Shi et al., 2019).

    Each has columns that sum to one, or to zero where nothing arrives. `outward` is `outward_bones` of the layout.
    """
    kept = (outward & hops.eq(1)).double()
    return torch.stack([hops.eq(0).double(), normalised_columns(kept), normalised_columns(kept.T)]).float()


def normalised_columns(matrix: Float[Tensor, "*_ V V"]) -> Float[Tensor, "*_ V V"]:
    """Every column divided by its sum where that is above one.

    >>> import torch
    >>> normalised_columns(torch.tensor([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [[0.5, 0.0], [0.5, 0.0]]
    """
    return matrix / matrix.sum(-2, keepdim=True).clamp(min=1)
