"""Skeleton graphs: the adjacency matrices that a Layout's bones give.

Everywhere `adjacency[p, v, w]` is the weight with which partition p carries joint v (source) to joint w (output).
The matrices are computed in float64 and rounded to float32, as the authors' code rounds them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from manifests.layout import Layout

FAR = 10**9
"""The hop count of two joints that no walk within the limit connects."""


def spatial_partition(layout: Layout, exact_hops: bool = False) -> Float[Tensor, "P V V"]:
    """ST-GCN's three partitions: self, source as far from or farther than the centre, source nearer (Yan et al., 2018).

    The authors count hops only up to one, so every joint beyond the centre's neighbours is equally (infinitely) far
    and its bones fall into partition 1 in both directions. `exact_hops=False` keeps that; True counts all hops.
    All three matrices together have columns that sum to one.
    """
    total = _normalised_columns(_undirected(layout) + torch.eye(len(layout.joints), dtype=torch.float64))
    hops = torch.tensor(hops_to_centre(layout, limit=FAR if exact_hops else 1))
    source, output = hops[:, None], hops[None, :]
    own = torch.eye(len(hops), dtype=torch.bool)
    nearer = source < output
    return torch.stack([total * part for part in (own, ~own & ~nearer, nearer)]).float()


def directed_partition(layout: Layout) -> Float[Tensor, "P V V"]:
    """2s-AGCN's three partitions: self, outward from parent to child, inward from child to parent (Shi et al., 2019).

    Each has columns that sum to one, or to zero where nothing arrives.
    """
    eye = torch.eye(len(layout.joints), dtype=torch.float64)
    outward = torch.zeros_like(eye)
    for child, parent in layout.bones:
        outward[parent, child] = 1
    return torch.stack([eye, _normalised_columns(outward), _normalised_columns(outward.T)]).float()


def hops_to_centre(layout: Layout, limit: int) -> list[int]:
    """Bones between every joint and the layout's centre; FAR where that is more than `limit`."""
    hops = [FAR] * len(layout.joints)
    hops[layout.centre] = 0
    reached, step = {layout.centre}, 0
    while reached and step < limit:
        step += 1
        reached = {joint for bone in layout.bones for joint in bone if reached & set(bone) and hops[joint] == FAR}
        for joint in reached:
            hops[joint] = step
    return hops


def _undirected(layout: Layout) -> Float[Tensor, "V V"]:
    matrix = torch.zeros(len(layout.joints), len(layout.joints), dtype=torch.float64)
    for child, parent in layout.bones:
        matrix[child, parent] = matrix[parent, child] = 1
    return matrix


def _normalised_columns(matrix: Float[Tensor, "V V"]) -> Float[Tensor, "V V"]:
    return matrix / matrix.sum(0).clamp(min=1)
