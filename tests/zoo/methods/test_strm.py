"""STRM against its code's steps written out, clip by clip; both comparisons; maps of one joint."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_tuples as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.learner import Known
from zoo.methods.strm import Model, Options
from zoo.parts.mixer import FrameCountError
from zoo.parts.positional_encoding import sinusoids

T, V, D = 4, 25, 6


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def model(**options: float) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(D), Options(**({"key_width": 5, "gate": 0.5} | options)), Known(frames=T)).eval()


def with_joints(made: Model, clip: Tensor) -> Tensor:
    """(T, D) of a clip (T, V, D): attention between joints, the joint-wise network, the mean over joints."""
    block, frames = made.joints, []
    for frame in clip:
        joints = frame + 0.1 * sinusoids(V, D)
        attention = F.softmax(block.own(joints) @ block.other(joints).T, dim=1)
        joints = joints + block.gate * (attention @ block.value(joints))
        refine = block.refine
        frames.append((joints + refine.third(refine.second(refine.first(joints).relu()).relu())).mean(0))
    return torch.stack(frames)


def mixed(made: Model, frames: Tensor) -> Tensor:
    """Frames with their positions, mixed over time and over channels; and once more with their positions."""
    _, over_time, over_channels = made.frames
    frames = frames + 0.1 * sinusoids(T, D)
    frames = frames + over_time.channels.layers(frames.T).T
    return frames + over_channels.layers(frames) + 0.1 * sinusoids(T, D)


def test_both_comparisons_are_those_of_the_code() -> None:
    made, support, query = model(temperature=2.0), maps(1, 2, 3, T, V, D), maps(1, 3, T, V, D, seed=1)
    shots = [[with_joints(made, clip) for clip in clips] for clips in support[0]]
    clips = [with_joints(made, clip) for clip in query[0]]
    enriched = torch.stack([torch.stack([mixed(made, shot) for shot in row]) for row in shots])[None]
    first = plain.matcher(torch.stack([mixed(made, clip) for clip in clips])[None], enriched, made.matcher, 2, True)

    def pairs(frames: Tensor) -> Tensor:
        return made.pair(plain.tuples(frames, 2)).relu()

    second = [
        torch.stack(
            [torch.cdist(pairs(clip), torch.cat([pairs(shot) for shot in row])).min(1).values.mean() for row in shots]
        )
        for clip in clips
    ]
    found = made.both_scores(support, query)
    torch.testing.assert_close(found[0], -first / 2, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1][0], -torch.stack(second) / 2, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(made.score(support, query), found[0] + 0.1 * found[1])


def test_both_comparisons_are_trained() -> None:
    made, support, query = model(), maps(1, 2, 3, T, V, D), maps(1, 3, T, V, D, seed=1)
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.tensor([[0, 1, 1]]))
    losses = made.losses(episode)
    mixed_scores, before = made.both_scores(support, query)
    torch.testing.assert_close(losses.parts["cross_entropy"], F.cross_entropy(mixed_scores[0], episode.answer[0]))
    torch.testing.assert_close(losses.parts["joint_level"], 0.1 * F.cross_entropy(before[0], episode.answer[0]))
    evidence = made.evidence(episode)
    assert evidence["attention"].shape == (1, 3, T, V, V)
    torch.testing.assert_close(evidence["attention"].sum(-1), torch.ones(1, 3, T, V))


def test_maps_of_one_joint_have_no_attention_to_learn() -> None:
    backbone = GivenMaps(D)
    backbone.map_joints = 1
    made = Model(backbone, Options(key_width=5), Known(frames=T))
    assert made.joints.own is None
    support, query = maps(1, 2, 3, T, 1, D), maps(1, 3, T, 1, D, seed=1)
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.tensor([[0, 1, 1]]))
    made.losses(episode).total.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in made.parameters())


def test_another_number_of_frames_is_refused() -> None:
    with pytest.raises(FrameCountError, match="maps have 5 frames or joints, but the perceptron was built for 4"):
        model().score(maps(1, 2, 3, 5, V, D), maps(1, 3, 5, V, D))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key_width": 0}, "key_width is 0; it must be at least 1"),
        ({"joint_weight": 0.0}, "joint_weight is 0.0; it must be positive"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
