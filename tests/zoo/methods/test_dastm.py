"""What is special to DASTM: every switch against the mathematics written out, and what cannot be combined."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from helpers import plain_dastm as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.methods.dastm import Model, Options

PAPER = Options()
OFFICIAL = Options(
    distance="cosine", activation="aligned", block="residual_ln", regulariser="surrogate", rank_prototypes=True
)


def maps(joints: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, joints, 8, generator=generator, dtype=torch.float64)
    return support, torch.randn(1, 6, 4, joints, 8, generator=generator, dtype=torch.float64)


def model(options: Options, joints: int = 5) -> Model:
    torch.manual_seed(0)
    backbone = GivenMaps(8)
    backbone.map_joints = joints
    return Model(backbone, options).double().eval()


def episode(support: Tensor, query: Tensor) -> Episode:
    return episode_of(support[:, :, :, None], query[:, :, None], torch.arange(query.shape[1])[None] % support.shape[1])


def test_equations_1_to_8_written_out() -> None:
    """The paper's own objective: hard DTW, Frobenius norms, the plain nuclear norm; value and every gradient."""
    support, query = (value.requires_grad_() for value in maps())
    method = model(Options(gamma=0.0, regulariser="nuclear", rank_weight=0.2))
    task = episode(support, query)
    fast = method.losses(task)
    slow = plain.objective(query[0], support[0], task.answer[0], method.activation, 0.2)
    torch.testing.assert_close(fast.total, slow, rtol=1e-9, atol=1e-9)
    inputs = [support, query, *method.parameters()]
    gradients = [torch.autograd.grad(value, inputs) for value in (fast.total, slow)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


# A base, what is changed, and which of scores, penalty and names of parameters the change is for.
SWITCHES = [
    (PAPER, {"distance": "squared_frobenius"}, "scores"),
    (PAPER, {"distance": "cosine"}, "scores"),
    (PAPER, {"activation": "aligned"}, "scores"),
    (PAPER, {"activation": "none"}, "scores parameters"),
    (replace(PAPER, activation="aligned"), {"block": "residual_ln"}, "scores parameters"),
    (PAPER, {"regulariser": "nuclear"}, "penalty"),
    (PAPER, {"regulariser": "surrogate"}, "penalty"),
    (PAPER, {"regulariser": "frobenius"}, "penalty"),
    (PAPER, {"regulariser": "none"}, "penalty"),
    (PAPER, {"rank_weight": 0.2}, "penalty"),
    (PAPER, {"rank_prototypes": True}, "penalty"),
    (replace(PAPER, activation="none"), {"divergence": True}, "scores"),
    (PAPER, {"gamma": 1.0}, "scores"),
    (PAPER, {"temperature": 2.0}, "scores"),
    (OFFICIAL, {"heads": 4}, "scores"),
    (OFFICIAL, {"dropout": 0.5}, ""),
    (replace(PAPER, gamma=1.0), {"bandwidth": 1}, "scores"),
]


@torch.no_grad()
@pytest.mark.parametrize(("base", "change", "changed"), SWITCHES)
def test_a_switch_changes_what_it_should_and_nothing_else(base: Options, change: dict, changed: str) -> None:
    support, query = maps()
    found = {"scores": [], "penalty": [], "parameters": []}
    for options in (base, replace(base, **change)):
        method = model(options)
        found["scores"].append(method.score(support, query))
        penalty = sum(method.auxiliary_losses(support, query).values(), torch.zeros(()))
        found["penalty"].append(penalty.double())
        found["parameters"].append([name for name, _ in method.named_parameters()])
    assert {name for name, (one, other) in found.items() if not same(one, other)} == set(changed.split())


def same(one, other) -> bool:
    return torch.allclose(one, other, rtol=1e-9, atol=1e-12) if isinstance(one, Tensor) else one == other


ONE_JOINT = [
    PAPER,
    OFFICIAL,
    replace(OFFICIAL, heads=4),
    replace(PAPER, activation="aligned"),
]


@pytest.mark.parametrize("options", ONE_JOINT)
def test_on_maps_of_one_joint_every_parameter_has_a_gradient(options: Options) -> None:
    support, query = maps(joints=1)
    method = model(options, joints=1).train()
    method.losses(episode(support, query)).total.backward()
    assert not [name for name, _ in method.named_parameters() if ".own." in name or ".other." in name]
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("options", "literal"), [(PAPER, plain.pairwise), (OFFICIAL, plain.aligned)])
def test_scores_of_maps_of_one_joint_written_out(options: Options, literal) -> None:
    support, query = maps(joints=1)
    fast = model(options, joints=1)
    cost = literal(query[0], support[0].mean(1), fast.activation)
    slow = torch.stack([torch.stack([-plain.soft_dtw(pair, options.gamma) for pair in row]) for row in cost])
    torch.testing.assert_close(fast.score(support, query)[0], slow, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("joints", [5, 1])
@pytest.mark.parametrize("options", [PAPER, replace(OFFICIAL, heads=2), replace(PAPER, activation="none", bandwidth=2)])
def test_evidence(options: Options, joints: int) -> None:
    support, query = maps(joints)
    method = model(options, joints)
    arrays = method.evidence(episode(support, query))
    attends = options.activation != "none" and joints > 1
    assert set(arrays) == {"frame_distance", "alignment"} | ({"attention"} if attends else set())
    assert not any(array.requires_grad for array in arrays.values())
    cost = arrays["frame_distance"][0, 3, 2].clone().requires_grad_()
    value = plain.soft_dtw(cost, options.gamma, options.bandwidth)
    torch.testing.assert_close(-value, method.score(support, query)[0, 3, 2])
    torch.testing.assert_close(torch.autograd.grad(value, cost)[0], arrays["alignment"][0, 3, 2])
    if attends:
        prototypes = support.mean(2)
        expected = method.activation.attention(query, prototypes, arrays["alignment"])
        assert arrays["attention"].shape == (1, 6, 3, 4, 5, 5)
        torch.testing.assert_close(arrays["attention"], expected)
        torch.testing.assert_close(arrays["attention"].sum(-1), torch.ones(1, 6, 3, 4, 5).double())


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
    both = model(Options(regulariser="frobenius", rank_weight=5e-4, rank_prototypes=True))
    term = both.auxiliary_losses(support, query)["rank"]
    torch.testing.assert_close(term, -5e-4 * (plain.frobenius(query[0]) + plain.frobenius(support[0].mean(1))))
    assert model(Options(regulariser="none")).auxiliary_losses(support, query) == {}


def test_which_measures_reward_larger_maps() -> None:
    support, query = maps()
    for name, grows in (("nuclear", True), ("frobenius", True), ("nuclear_normalised", False)):
        method = model(Options(regulariser=name))
        gain = method.auxiliary_losses(support, query)["rank"] - method.auxiliary_losses(support, 10 * query)["rank"]
        assert (gain.item() > 1e-6) == grows


@pytest.mark.parametrize(
    ("distance", "activation", "regulariser"),
    list(
        product(
            ["frobenius", "squared_frobenius", "cosine"],
            ["pairwise", "aligned", "none"],
            ["nuclear", "nuclear_normalised", "surrogate", "frobenius", "none"],
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
        ({"heads": 0}, "heads is 0; it must be at least 1"),
        ({"heads": 4}, "heads is 4, which needs block `residual_ln`, not `plain`. Set heads = 1"),
        ({"bandwidth": -1}, r"bandwidth is -1; it must be 0 \(no band\)"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads is 3; it must divide the width of the backbone's map, 8"):
        model(replace(OFFICIAL, heads=3))


def test_a_band_is_for_pairs_of_frames_of_equal_index_and_near_it() -> None:
    support, query = maps()
    alignment = model(replace(PAPER, bandwidth=1)).evidence(episode(support, query))["alignment"]
    apart = (torch.arange(4)[:, None] - torch.arange(4)).abs()
    assert alignment[..., apart > 1].eq(0).all()
    assert (alignment[..., apart <= 1] > 0).any()
