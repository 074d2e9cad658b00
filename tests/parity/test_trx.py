"""The matcher of tuples, and TRX on top of it, against TRX's published code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.fill import authors, error, golden
from helpers.learners import GivenMaps
from torch import Tensor, nn

from zoo.methods import trx
from zoo.parts.positional_encoding import sinusoids

NAMES = {"key": "k_linear", "value": "v_linear", "norm": "norm_k"}
PRECISIONS = [("f64", torch.float64, 1e-9), ("f32", torch.float32, 5e-6)]


def clips(shot: int) -> tuple[Tensor, Tensor, np.ndarray]:
    """Supports (5 K, 8, 64), queries (6, 8, 64) and the labels of the supports, by the golden's rule."""
    rng = np.random.default_rng({1: 4301, 5: 4302}[shot])
    centres = 0.25 * rng.standard_normal((5, 8, 64))
    labels = np.repeat(np.arange(5), shot)[rng.permutation(5 * shot)]
    support = (centres[labels] + rng.standard_normal((5 * shot, 8, 64))).astype(np.float32)
    query = (centres[[0, 1, 2, 3, 4, 0]] + rng.standard_normal((6, 8, 64))).astype(np.float32)
    return torch.from_numpy(support), torch.from_numpy(query), labels


class GoldenPositions(nn.Module):
    """Adds 0.1 times the encoding of 8 frames, as the golden has it.

    The processor of the golden rounded one exponential of 32 the other way (channels 6 and 7), which changes gradients
    by 2e-9. (Found by solving for all 512 positions from the golden's scores and gradients.)
    """

    def forward(self, frames: Tensor) -> Tensor:
        rate = (torch.arange(0, 64, 2) * (-math.log(10_000) / 64)).double().exp().float()
        rate[3] = torch.nextafter(rate[3], torch.tensor(1.0))
        angle = torch.arange(8)[:, None] * rate
        positions = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1) * 0.1
        torch.testing.assert_close(0.1 * sinusoids(8, 64), positions, rtol=1e-6, atol=1e-7)
        return frames + positions.to(frames.dtype)


def model(*sizes: int) -> trx.Model:
    """TRX with the golden's weights. Their value's bias cancels and norm_v is not used, so ours has neither."""
    _, about = golden("trx")
    made = trx.Model(GivenMaps(64), trx.Options(sizes=sizes, key_width=48)).eval()
    made.encoding = GoldenPositions()
    for size, matcher in zip(sizes, made.matchers, strict=True):
        theirs = authors(about["keys"][f"set{size}"])
        ours = {f"{our}.{part}": theirs[f"{name}.{part}"] for our, name in NAMES.items() for part in ("weight", "bias")}
        del ours["value.bias"]
        matcher.load_state_dict(ours)
    return made


def scores(made: trx.Model, support: Tensor, query: Tensor, labels: np.ndarray) -> Tensor:
    order = torch.from_numpy(np.argsort(labels, kind="stable"))
    classes = support[order].unflatten(0, (5, -1))
    return made.score(classes[None, :, :, :, None], query[None, :, :, None])[0]


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shot", [1, 5])
def test_scores_loss_and_gradient(shot: int, size: int, name: str, kind: torch.dtype, limit: float) -> None:
    arrays, _ = golden("trx")
    support, query, labels = clips(shot)
    assert np.array_equal(labels, arrays[f"labels_K{shot}"])
    support, query = support.to(kind).requires_grad_(), query.to(kind)
    found = scores(model(size).to(kind), support, query, labels)
    loss = F.cross_entropy(found, torch.tensor([0, 1, 2, 3, 4, 0]))
    row = f"K{shot}_set{size}"
    assert error(found, arrays[f"{row}_logits_{name}"]) < limit
    assert error(loss, arrays[f"{row}_ce_{name}"]) < limit
    if kind == torch.float64:
        gradient = torch.autograd.grad(loss, support)[0].reshape(-1)[::5]
        assert error(gradient, arrays[f"{row}_gradS_sub_f64"]) < limit


@pytest.mark.parametrize("shot", [1, 5])
def test_the_scores_of_both_sizes_are_averaged(shot: int) -> None:
    arrays, _ = golden("trx")
    support, query, labels = clips(shot)
    found = scores(model(2, 3).double(), support.double(), query.double(), labels)
    theirs = (arrays[f"K{shot}_set2_logits_f64"] + arrays[f"K{shot}_set3_logits_f64"]) / 2
    assert error(found, theirs) < 1e-9
