"""What is special to DTW: it forgives a change of pace, and its options do what they say."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_dastm as plain
from helpers.learners import GivenMaps, episode_of

from zoo.methods import protonet
from zoo.methods.dtw import Model, Options


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_change_of_pace_is_forgiven_by_dtw_and_not_by_protonet() -> None:
    support = maps(1, 2, 1, 8, 3, 4)
    # Class 0 with its first frame held; class 1 looks more like it frame by frame.
    slow = torch.cat([support[:, 0, :, :1], support[:, 0, :, :-1]], dim=2)
    support[:, 1, 0] = 0.2 * slow[:, 0]
    options = Options(distance="squared_frobenius", gamma=0.0)
    assert Model(GivenMaps(6), options).score(support, slow).argmax() == 0
    assert protonet.Model(GivenMaps(6), protonet.Options()).score(support, slow).argmax() == 1


@pytest.mark.parametrize("gamma", [0.0, 0.1])
@pytest.mark.parametrize("bandwidth", [0, 1])
def test_scores_are_minus_the_recursion_and_evidence_is_what_they_are_made_of(gamma: float, bandwidth: int) -> None:
    support, query = maps(1, 2, 3, 4, 3, 4), maps(1, 2, 4, 3, 4, seed=1)
    options = Options("frobenius", gamma, divergence=False, temperature=2.0, bandwidth=bandwidth)
    model = Model(GivenMaps(6), options)
    cost = torch.cdist(query[0, 1].flatten(1), support[0, 0].mean(0).flatten(1)).requires_grad_()
    value = plain.soft_dtw(cost, gamma, bandwidth)
    torch.testing.assert_close(model.score(support, query)[0, 1, 0], -value / 2, rtol=1e-4, atol=1e-4)
    arrays = model.evidence(episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 2).long()))
    torch.testing.assert_close(arrays["frame_distance"][0, 1, 0], cost.detach(), rtol=1e-4, atol=1e-4)
    share = torch.autograd.grad(value, cost)[0]
    torch.testing.assert_close(arrays["alignment"][0, 1, 0], share, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gamma": -0.1}, r"gamma is -0.1; it must be 0 \(hard DTW\) or positive \(soft\)"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"bandwidth": -1}, r"bandwidth is -1; it must be 0 \(no band\)"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
