"""Distances between two clips as sets of frames, or of pairs of frames: PAINet's Table 4, and bi-MHM."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.parts.frame_distance import at_least_float32, products, safe_root
from zoo.parts.soft_dtw import soft_dtw
from zoo.parts.transport import assignment, exact_transport, sinkhorn
from zoo.parts.tuples import Unit, check_pairs, nearest_frames, nearest_pairs

Metric = Literal["euclidean", "dtw", "emd", "hungarian", "dassm"]

Masses = tuple[Tensor, Tensor]
"""The mass of every unit of the query (*batch, K, units) and of the support (*batch, K, units), for each shot."""


def check_metric(metric: Metric, unit: Unit) -> None:
    """Raises ValueError where a metric needs the order of frames, which pairs do not have.

    >>> check_metric("dassm", "pair")
    """
    if metric in ("euclidean", "dtw") and unit != "frame":
        raise ValueError(f"metric is {metric}, which compares frames in their order; unit must be frame, not {unit}")


def set_distance(
    squared: Float[Tensor, "*batch K T L"],
    metric: Metric,
    unit: Unit,
    *,
    masses: Masses | None = None,
    exact: bool = True,
    gamma: float = 0.01,
    threshold: float = 1.0,
) -> Float[Tensor, "*batch"]:
    """The distance of a query to a class of K supports by one row of PAINet's Table 4.

    `squared` are squared distances of the query's T frames to the L frames of each support; a unit is a frame or a
    pair of frames (i < j), the concatenation of the two. Returned in float32 or better.

    - `dassm` (eq. 5): the mean over the query's units of the distance to the nearest unit of ALL supports.
    - The others are the mean over K of the distance to each support (CHOICE):
      `euclidean`, the mean over frames of the same index;
      `dtw`, soft-DTW with softness `gamma` (0: DTW), divided by T;
      `emd`, the cost of transporting `masses` (uniform where None; DeepEMD's are `cross_reference`), by the exact plan
      where `exact`, else by the entropic plan of `sinkhorn`, which has gradients of its own;
      `hungarian`, the mean cost of the exact one-to-one assignment. Costs above the quantile `threshold` of a table
      are replaced by it (1: none are); the paper's threshold is not given. Gradients flow through matched units.

    `hungarian` and the exact `emd` wait for the device. Raises ValueError for `euclidean` and `dtw` on pairs, for
    pairs of clips of one frame, and for `euclidean` of clips of unequal length.

    >>> squared = torch.tensor([[[0.0, 4.0], [9.0, 1.0]]])
    >>> [set_distance(squared, metric, "frame").item() for metric in ("euclidean", "hungarian", "emd", "dassm")]
    [0.5, 0.5, 0.5, 0.5]
    """
    check_metric(metric, unit)
    if metric == "dassm":
        return nearest_pairs(squared) if unit == "pair" else nearest_frames(squared)
    cost = unit_distance(squared, unit)
    if metric == "euclidean":
        distance = _same_index(cost)
    elif metric == "dtw":
        distance = soft_dtw(cost, gamma) / cost.shape[-2]
    elif metric == "emd":
        distance = _transported(cost, masses, exact)
    else:
        distance = _assigned(cost, threshold)
    return distance.mean(-1)


def unit_distance(squared: Float[Tensor, "*batch T L"], unit: Unit) -> Float[Tensor, "*batch _ _"]:
    """Distances of all units from squared distances of frames; pairs in the order (0, 1), (0, 2), ... (1, 2), ...

    >>> unit_distance(torch.tensor([[1.0, 9.0], [4.0, 8.0]]), "pair").item()  # root(1 + 8)
    3.0
    """
    squared = at_least_float32(squared)
    if unit == "frame":
        return safe_root(squared)
    check_pairs(*squared.shape[-2:])
    own, other = (
        torch.triu_indices(frames, frames, 1, device=squared.device)
        for frames in (squared.shape[-2], squared.shape[-1])
    )
    first, second = (squared[..., own[place, :, None], other[place]] for place in (0, 1))
    return safe_root(first + second)


def cross_reference(
    query: Float[Tensor, "*_ T D"], support: Float[Tensor, "*_ L D"]
) -> tuple[Float[Tensor, "*_ T"], Float[Tensor, "*_ L"]]:
    """DeepEMD's masses (Zhang et al., CVPR 2020, eq. 8): a unit weighs as much as it resembles the other set's mean.

    The product with the mean where it is positive, plus 0.001 (their code), scaled to the sum 1; in float32 or better.
    Leading axes are broadcast.

    >>> own, other = cross_reference(torch.eye(2), torch.tensor([[1.0, 0.0]]))
    >>> own.round(decimals=2).tolist(), other.tolist()
    ([1.0, 0.0], [1.0])
    """
    query, support = at_least_float32(query), at_least_float32(support)
    pairs = (query, support.mean(-2, keepdim=True)), (support, query.mean(-2, keepdim=True))
    own, other = ((units * mean).sum(-1).relu() + 1e-3 for units, mean in pairs)
    return own / own.sum(-1, keepdim=True), other / other.sum(-1, keepdim=True)


def cosine_costs(
    query: Float[Tensor, "B Q T D"], support: Float[Tensor, "B N L D"], epsilon: float = 0.0
) -> Float[Tensor, "B Q N T L"]:
    """One minus the cosine of all frames of all clips, in float32 or better.

    `epsilon` is added to the product of the norms (OTAM's code: 0.01). A frame of zeros is at distance 1 from any.

    >>> query, support = torch.tensor([[[[3.0, 4.0], [0.0, 0.0]]]]), torch.tensor([[[[3.0, 4.0], [-4.0, 3.0]]]])
    >>> cosine_costs(query, support).squeeze().tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    """
    dot, own, other = products(at_least_float32(query.flatten(1, 2)), at_least_float32(support.flatten(1, 2)))
    norms = safe_root(own) * safe_root(other) + epsilon
    cost = 1 - dot / torch.where(norms > 0, norms, 1)
    return cost.unflatten(1, query.shape[1:3]).unflatten(3, support.shape[1:3]).transpose(2, 3)


def mean_hausdorff(
    cost: Float[Tensor, "*batch T L"], reduction: Literal["sum", "mean"], consistency: float = 0.0
) -> Float[Tensor, "*batch"]:
    """The bidirectional mean Hausdorff metric (bi-MHM) of two sequences, from the distances of their frames.

    The least distances of each frame to the other sequence: with `sum` added up over both sequences (HyRSM's code),
    with `mean` the mean of the two means (ESR-MM's code). `consistency` times ESR-MM's temporal consistency is added:
    how much the distances rise from one query frame to the next, and to the one before, on average.

    >>> cost = torch.tensor([[0.0, 4.0], [2.0, 1.0]])
    >>> mean_hausdorff(cost, "sum").item(), mean_hausdorff(cost, "mean").item()
    (2.0, 0.5)
    >>> mean_hausdorff(cost, "mean", consistency=1.0).item()  # rises: 2 to the next frame, 3 to the one before
    1.75
    """
    own, other = cost.min(-1).values, cost.min(-2).values
    distance = own.sum(-1) + other.sum(-1) if reduction == "sum" else (own.mean(-1) + other.mean(-1)) / 2
    if not consistency:
        return distance
    # The first frame has none before it and the last none after: they add zeros to the mean over all T * L.
    rise = cost.diff(dim=-2)
    rises = (rise.relu() + (-rise).relu()).sum((-2, -1)) / (cost.shape[-2] * cost.shape[-1])
    return distance + consistency * rises


def _same_index(cost: Float[Tensor, "*batch T L"]) -> Float[Tensor, "*batch"]:
    """The mean of the diagonal."""
    if cost.shape[-2] != cost.shape[-1]:
        raise ValueError(f"metric is euclidean, but clips have {cost.shape[-2]} and {cost.shape[-1]} frames; use dtw")
    return cost.diagonal(dim1=-2, dim2=-1).mean(-1)


def _transported(cost: Float[Tensor, "*batch T L"], masses: Masses | None, exact: bool) -> Float[Tensor, "*batch"]:
    """The cost of the transport plan; the exact plan is a constant, whose cost has the plan as its gradient."""
    if masses is None:
        masses = cost.new_ones(cost.shape[:-1]) / cost.shape[-2], cost.new_ones(cost.mT.shape[:-1]) / cost.shape[-1]
    own, other = (mass.expand(*cost.shape[:-2], -1) for mass in masses)
    plan = exact_transport(cost, own, other) if exact else sinkhorn(cost, own, other)
    return (plan * cost).sum((-2, -1))


def _assigned(cost: Float[Tensor, "*batch T L"], threshold: float) -> Float[Tensor, "*batch"]:
    """The mean cost of matched units."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; it must be a quantile, above 0 and at most 1 (none)")
    if threshold < 1:
        cost = torch.minimum(cost, cost.detach().flatten(-2).quantile(threshold, dim=-1)[..., None, None])
    rows, columns = assignment(cost)
    return cost.flatten(-2).gather(-1, rows * cost.shape[-1] + columns).mean(-1)


def scaled_per_query(distance: Float[Tensor, "B Q N"]) -> Float[Tensor, "B Q N"]:
    """Distances scaled so that a query's nearest class is at 0 and its farthest at 1, plus 0.000001 (ESR-MM's code).

    Where all classes are equally far they stay unscaled differences, zeros.

    >>> scaled_per_query(torch.tensor([[[2.0, 6.0, 3.0], [5.0, 5.0, 5.0]]])).round(decimals=3).tolist()
    [[[0.0, 1.0, 0.25], [0.0, 0.0, 0.0]]]
    """
    least, most = distance.min(-1, keepdim=True).values, distance.max(-1, keepdim=True).values
    span = most - least
    return (distance - least) / torch.where(span > 0, span, 1) + 1e-6
