"""What is special to DASTM: every switch against the mathematics written out, and what cannot be combined."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from helpers import plain_dastm as plain
from helpers.learners import GivenMaps
from torch import Tensor

from zoo.methods.dastm import Model, Options

PAPER = Options()
OFFICIAL = Options(
    distance="cosine", activation="aligned", block="residual_ln", regulariser="surrogate", rank_prototypes=True
)


def maps(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, 5, 8, generator=generator, dtype=dtype)
    return support, torch.randn(1, 6, 4, 5, 8, generator=generator, dtype=dtype)


def model(options: Options) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(8), options).double().eval()


@pytest.mark.parametrize(("options", "literal"), [(PAPER, plain.pairwise), (OFFICIAL, plain.aligned)])
def test_scores_written_out(options: Options, literal) -> None:
    support, query = maps()
    fast = model(options)
    cost = literal(query[0], support[0].mean(1), fast.activation)
    slow = torch.stack([torch.stack([-plain.soft_dtw(pair, options.gamma) for pair in row]) for row in cost])
    torch.testing.assert_close(fast.score(support, query)[0], slow, rtol=1e-8, atol=1e-8)


def test_penalties_written_out() -> None:
    support, query = maps()
    term = model(Options(regulariser="nuclear", rank_weight=0.2)).auxiliary_losses(support, query)["rank"]
    torch.testing.assert_close(term, -0.2 * plain.nuclear(query[0]))
    term = model(OFFICIAL).auxiliary_losses(support, query)["rank"]
    torch.testing.assert_close(term, -0.1 * (plain.surrogate(query[0]) + plain.surrogate(support[0].mean(1))))
    assert model(Options(regulariser="none")).auxiliary_losses(support, query) == {}


def test_only_the_plain_nuclear_norm_rewards_larger_maps() -> None:
    support, query = maps()
    for name, grows in (("nuclear", True), ("nuclear_normalised", False)):
        method = model(Options(regulariser=name))
        gain = method.auxiliary_losses(support, query)["rank"] - method.auxiliary_losses(support, 10 * query)["rank"]
        assert (gain.item() > 1e-6) == grows


@pytest.mark.parametrize(
    ("distance", "activation", "regulariser"),
    list(
        product(
            ["frobenius", "squared_frobenius", "cosine"],
            ["pairwise", "aligned", "none"],
            ["nuclear", "nuclear_normalised", "surrogate", "none"],
        )
    ),
)
def test_every_combination_is_finite_and_differentiable(distance: str, activation: str, regulariser: str) -> None:
    support, query = (value.float().requires_grad_() for value in maps())
    method = model(Options(distance=distance, activation=activation, regulariser=regulariser)).float().train()
    total = method.score(support, query).sum() + sum(method.auxiliary_losses(support, query).values())
    total.backward()
    for value in (support, query, *method.parameters()):
        assert torch.isfinite(value.grad).all()


@pytest.mark.parametrize("activation", ["pairwise", "none"])
def test_the_repositorys_block_needs_its_activation(activation: str) -> None:
    with pytest.raises(ValueError, match=f"block `residual_ln` needs activation `aligned`, not `{activation}`"):
        Options(activation=activation, block="residual_ln")


@pytest.mark.parametrize("activation", ["pairwise", "aligned"])
def test_divergence_needs_sequences_of_their_own(activation: str) -> None:
    with pytest.raises(ValueError, match=f"divergence needs activation `none`, not `{activation}`"):
        Options(activation=activation, divergence=True)


def test_dropout_acts_in_training_only() -> None:
    support, query = maps()
    method = model(OFFICIAL)
    assert torch.equal(method.score(support, query), method.score(support, query))
    method.train()
    assert not torch.equal(method.score(support, query), method.score(support, query))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gamma": -0.1}, r"gamma is -0.1; it must be 0 \(hard DTW\) or positive \(soft\)"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
