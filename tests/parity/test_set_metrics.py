"""Set metrics against HyRSM's and ESR-MM's published code and the golden of PAINet's eq. 5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import error, golden
from helpers.learners import GivenMaps
from torch import Tensor

from zoo.methods import otam
from zoo.methods.otam import ordered_alignment
from zoo.parts.frame_distance import frame_distance
from zoo.parts.set_metric import cosine_costs, mean_hausdorff, set_distance
from zoo.parts.tuples import Unit, nearest_frames, nearest_pairs

SIZES = ("K1", "K3")
PRECISIONS = [("f64", torch.float64, 1e-9), ("f32", torch.float32, 3e-6)]


def clips(size: str, kind: torch.dtype = torch.float64) -> tuple[dict[str, np.ndarray], Tensor, Tensor, Tensor]:
    """Golden arrays, queries (4, 8, 32), supports in the golden's order and sorted into (5, K, 8, 32)."""
    arrays, _ = golden("set_metrics")
    query, support = (torch.from_numpy(arrays[f"{name}_{size}"]).to(kind) for name in "QS")
    support.requires_grad_()
    order = torch.from_numpy(np.argsort(arrays[f"labels_{size}"], kind="stable"))
    return arrays, query, support, support[order].unflatten(0, (5, -1))


def gradient_error(scores: Tensor, support: Tensor, theirs: np.ndarray) -> float:
    """The gradient of the sum of squared scores to the supports, sub-sampled as the golden's."""
    gradient = torch.autograd.grad(scores.square().sum(), support)[0].reshape(-1)
    step = -(-len(gradient) // len(theirs))
    return error(gradient[::step], theirs)


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
@pytest.mark.parametrize("size", SIZES)
def test_otam(size: str, name: str, kind: torch.dtype, limit: float) -> None:
    arrays, query, support, classes = clips(size, kind)
    model = otam.Model(GivenMaps(32), otam.Options())
    scores = model.score(classes[None, :, :, :, None], query[None, :, :, None])[0]
    assert error(scores, arrays[f"{size}_otam_logits_{name}"]) < limit
    cost = model.frame_costs(support[None, :, None, :, None], query[None, :, :, None])[0, :, :, 0]
    for array, table in (("q2s", cost), ("s2q", cost.mT)):
        assert error(ordered_alignment(table, 0.1), arrays[f"{size}_otam_cum_{array}_{name}"]) < limit
    if kind == torch.float64:
        assert gradient_error(scores, support, arrays[f"{size}_otam_gradS_sumsq_sub_f64"]) < limit


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
@pytest.mark.parametrize("size", SIZES)
def test_mean_hausdorff_sums_of_hyrsm(size: str, name: str, kind: torch.dtype, limit: float) -> None:
    arrays, query, support, classes = clips(size, kind)
    cost = cosine_costs(query[None], classes.flatten(0, 1)[None])[0].unflatten(1, classes.shape[:2])
    scores = -mean_hausdorff(cost, "sum").mean(-1)
    assert error(scores, arrays[f"{size}_bimhm_hyrsm_logits_{name}"]) < limit
    if kind == torch.float64:
        assert gradient_error(scores, support, arrays[f"{size}_bimhm_hyrsm_gradS_sumsq_sub_f64"]) < limit


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan"])
@pytest.mark.parametrize("size", SIZES)
def test_esr_mm(size: str, distance: str, name: str, kind: torch.dtype, limit: float) -> None:
    """Per query and support: bi-MHM of means with the consistency, and its one-way "TSM"."""
    arrays, query, support, _ = clips(size, kind)
    if distance == "cosine":
        cost = cosine_costs(query[None], support[None])[0]
    else:
        cost = torch.cdist(query[:, None], support[None], p=2.0 if distance == "euclidean" else 1.0)
    assert error(mean_hausdorff(cost, "mean", 0.1), arrays[f"{size}_esrmm_bimhm_{distance}_{name}"]) < limit
    assert error(nearest_frames(cost.square()[:, :, None]), arrays[f"{size}_esrmm_tsm_{distance}_{name}"]) < limit


@pytest.mark.parametrize("unit", ["frame", "pair"])
@pytest.mark.parametrize("size", SIZES)
def test_nearest_units_of_painet(size: str, unit: Unit) -> None:
    arrays, query, _, classes = clips(size)
    squared = frame_distance(
        query[:, None, None].expand(-1, *classes.shape[:2], -1, -1),
        classes.expand(4, -1, -1, -1, -1),
        "squared_frobenius",
    )
    theirs = arrays[f"{size}_dassm_{unit}_own"]
    nearest = nearest_pairs if unit == "pair" else nearest_frames
    assert error(nearest(squared), theirs) < 1e-10
    assert error(set_distance(squared, "dassm", unit), theirs) < 1e-10
