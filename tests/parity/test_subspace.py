"""Subspace networks against their published code: scores of both forms, both losses, the gradient.

Their code computes in float32 with singular values in float64; ours is float64 throughout.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.fill import error, golden
from helpers.learners import GivenMaps
from torch import Tensor

from zoo.methods import subspace

LIMIT = 1e-5
CASES = [("K5_dim4", 0), ("K2_dim1", 0), ("K5_dim2", 2)]
ANSWER = torch.arange(5).repeat_interleave(3)


def clips(case: str) -> tuple[dict[str, np.ndarray], Tensor, Tensor]:
    """The golden's arrays, and its clips as maps of one frame and joint."""
    arrays, _ = golden("dsn")
    support, query = (torch.from_numpy(arrays[f"{name}_{case}"]) for name in ("S", "Q"))
    return arrays, support[None, :, :, None, None].requires_grad_(), query[None, :, None, None]


@pytest.mark.parametrize(("case", "dimensions"), CASES)
def test_scores_losses_and_gradient(case: str, dimensions: int) -> None:
    arrays, support, query = clips(case)
    model = subspace.Model(GivenMaps(64), subspace.Options(dimensions=dimensions))
    scores = model.score(support, query)
    cross_entropy = F.cross_entropy(scores[0], ANSWER)
    term = model.auxiliary_losses(support, query)["discriminative"]
    assert error(scores[0], arrays[f"{case}_logits"]) < LIMIT
    assert error(cross_entropy, arrays[f"{case}_ce"]) < LIMIT
    assert error(term / 0.03, arrays[f"{case}_disc"]) < LIMIT
    gradient = torch.autograd.grad(cross_entropy + term, support)[0]
    assert error(gradient[0, :, :, 0, 0], arrays[f"{case}_gradS"]) < LIMIT


@pytest.mark.parametrize(("case", "dimensions"), CASES)
def test_overlap_of_every_pair(case: str, dimensions: int) -> None:
    arrays, support, _ = clips(case)
    most = support.shape[2] - 1
    classes = subspace.Subspaces.through(subspace.pooled(support), dimensions or most, centred=True)
    expected = arrays[f"{case}_projectors_trace_pairs"]
    assert error(classes.overlap()[0], expected * (1 - np.eye(5))) < LIMIT


def test_the_form_for_residual_networks() -> None:
    arrays, support, query = clips("K5_dim4")
    scores = subspace.Model(GivenMaps(64), subspace.Options(form="uncentred")).score(support, query)
    assert error(scores[0], arrays["K5_dim4_subspacenethead_logits"]) < LIMIT
