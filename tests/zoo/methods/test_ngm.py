"""What is special to the enhanced NGM: self-attention written out, one block for both sides, its options, one joint."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_dastm as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods.ngm import Model, Options


def maps(joints: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, joints, 8, generator=generator, dtype=torch.float64)
    query = torch.randn(1, 6, 4, joints, 8, generator=generator, dtype=torch.float64)
    return support.requires_grad_(), query.requires_grad_()


def model(options: Options = Options(), joints: int = 5) -> Model:  # noqa: B008 - frozen
    torch.manual_seed(0)
    backbone = GivenMaps(8)
    backbone.map_joints = joints
    return Model(backbone, options).double().eval()


@pytest.mark.parametrize("joints", [5, 1])
@pytest.mark.parametrize("heads", [1, 4])
def test_scores_and_gradients_written_out(heads: int, joints: int) -> None:
    support, query = maps(joints)
    fast = model(Options(heads=heads, gamma=0.1), joints)
    scores = fast.score(support, query)
    literal = -plain.self_matched(query[0], support[0].mean(1), fast.block, 0.1)
    torch.testing.assert_close(scores[0], literal, rtol=1e-7, atol=1e-7)
    weights = torch.linspace(0.5, 2, literal.numel(), dtype=torch.float64).view_as(literal)
    inputs = [support, query, *fast.block.parameters()]
    gradients = [torch.autograd.grad((value * weights).sum(), inputs) for value in (scores[0], literal)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


def test_every_parameter_has_a_gradient_on_one_joint_too() -> None:
    for joints in (5, 1):
        support, query = maps(joints)
        method = model(joints=joints).train()
        F.cross_entropy(method.score(support, query)[0], torch.arange(6) % 3).backward()
        names = {name.split(".")[1] for name, _ in method.named_parameters()}
        assert names == {"value", "dense", "norm"} | ({"own", "other"} if joints > 1 else set())
        assert all(parameter.grad.abs().sum() > 0 for parameter in method.parameters())


def test_a_query_is_at_distance_zero_from_itself() -> None:
    support, _ = maps()
    own = support[:, :, :1]
    assert model().score(own, own[:, :, 0])[0].diagonal().abs().max() < 1e-9
    assert model(Options(divergence=False, gamma=1.0)).score(own, own[:, :, 0])[0].diagonal().abs().min() > 1e-3


@pytest.mark.parametrize(
    "change",
    [{"distance": "frobenius"}, {"gamma": 1.0}, {"divergence": False}, {"bandwidth": 1}, {"temperature": 2.0}],
)
def test_each_option_changes_the_scores_and_no_parameter(change: dict) -> None:
    support, query = maps()
    base, other = Options(gamma=0.5), replace(Options(gamma=0.5), **change)
    scores, changed = (model(options).score(support, query) for options in (base, other))
    assert not torch.allclose(scores, changed)
    assert all(map(torch.equal, model(base).parameters(), model(other).parameters()))
    if "temperature" in change:
        torch.testing.assert_close(scores, 2 * changed)


def test_dropout_acts_in_training_only() -> None:
    support, query = maps()
    method = model()
    assert torch.equal(method.score(support, query), method.score(support, query))
    method.train()
    assert not torch.equal(method.score(support, query), method.score(support, query))


@torch.no_grad()
@pytest.mark.parametrize("joints", [5, 1])
def test_evidence(joints: int) -> None:
    support, query = maps(joints)
    method = model(Options(heads=2, gamma=0.1, divergence=False), joints)
    arrays = method.evidence(episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 6).long()))
    assert set(arrays) == {"frame_distance", "alignment"} | ({"attention"} if joints > 1 else set())
    table = arrays["frame_distance"][0, 2, 1]
    torch.testing.assert_close(-plain.soft_dtw(table, 0.1), method.score(support, query)[0, 2, 1])
    assert arrays["alignment"].shape == (1, 6, 3, 4, 4)
    if joints > 1:
        own, other = (layer(query[0, 2, 3]) for layer in (method.block.own, method.block.other))
        halves = [(own[:, part] @ other[:, part].T / 2).softmax(-1) for part in (slice(0, 4), slice(4, 8))]
        torch.testing.assert_close(arrays["attention"][0, 2, 3], sum(halves) / 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"heads": 0}, "heads is 0; it must be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ({"gamma": -0.1}, r"gamma is -0.1; it must be 0 \(hard DTW\) or positive \(soft\)"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"bandwidth": -2}, r"bandwidth is -2; it must be 0 \(no band\)"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads is 3; it must divide the width of the backbone's map, 8"):
        model(Options(heads=3))
