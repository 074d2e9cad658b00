"""FICAMA against its code's steps written out, clip by clip; each option changes what it names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_metrics as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.learner import Known
from zoo.methods.ficama import Model, Options
from zoo.parts.mixer import FrameCountError
from zoo.parts.positional_encoding import sinusoids

T, V, D = 3, 25, 4


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(D), Options(**options), Known(frames=T)).double().eval()


def task() -> Episode:
    support, query = maps(1, 3, 2, T, V, D), maps(1, 5, T, V, D, seed=1)
    return episode_of(support[:, :, :, None], query[:, :, None], torch.tensor([[0, 1, 1, 2, 0]]))


def over_joints(made: Model, clip: Tensor) -> Tensor:
    """(T, V, D): a perceptron over joints for each channel, then one over channels for each joint."""
    _, joints, channels = made.joints
    mixed = torch.stack([frame + joints.channels.layers(frame.T).T for frame in clip])
    return mixed + channels.layers(mixed)


def over_frames(made: Model, clip: Tensor) -> Tensor:
    """(T, V, D): positions, then a perceptron over frames for each joint and channel."""
    frames = clip.flatten(1) + 0.1 * sinusoids(T, V * D, step=4)
    return (frames + made.frames[1].channels.layers(frames.T).T).unflatten(1, (V, D))


def scaled(distance: Tensor) -> Tensor:
    least, most = distance.min(1, keepdim=True).values, distance.max(1, keepdim=True).values
    return (distance - least) / (most - least) + 1e-6


def literal(made: Model, episode: Episode, first: str) -> list[Tensor]:
    """Both scaled distances (Q, N)."""
    steps = (over_joints, over_frames) if first == "joints" else (over_frames, over_joints)

    def mixed(clip: Tensor) -> Tensor:
        return steps[1](made, steps[0](made, clip))

    means = [torch.stack([mixed(clip) for clip in shots[:, 0]]).mean(0) for shots in episode.support[0]]
    hausdorff, euclidean = [], []
    for query in (mixed(clip) for clip in episode.query[0, :, 0]):
        tables = [1 - F.normalize(query.flatten(1), dim=1) @ F.normalize(mean.flatten(1), dim=1).T for mean in means]
        hausdorff.append(
            torch.stack([plain.mean_hausdorff(table) + 0.1 * plain.consistency(table) for table in tables])
        )
        euclidean.append(torch.stack([(query - mean).square().sum() for mean in means]))
    return [scaled(torch.stack(rows)) for rows in (hausdorff, euclidean)]


@pytest.mark.parametrize("margin", ["probability", "distance"])
@pytest.mark.parametrize("first", ["joints", "frames"])
def test_scores_are_those_of_the_code(first: str, margin: str) -> None:
    made, episode = model(first=first, margin=margin, temperature=0.5), task()
    distances, margins = literal(made, episode, first), []
    for distance in distances:
        two = (F.softmax(-distance, dim=1) if margin == "probability" else -distance).topk(2, dim=1).values
        margins.append(two[:, 0] - two[:, 1])
    weights = F.softmax(torch.stack(margins, dim=1), dim=1)
    expected = -(distances[0] * weights[:, :1] + distances[1] * weights[:, 1:]) / 0.5
    torch.testing.assert_close(made(episode)[0], expected)
    evidence = made.evidence(episode)
    torch.testing.assert_close(evidence["shares"][0], weights)
    torch.testing.assert_close(evidence["distances"][0], torch.stack(distances, dim=-1))
    assert evidence["frame_distance"].shape == (1, 5, 3, T, T)


def test_encodings_can_be_left_out() -> None:
    episode = task()
    plain_scores = model(frame_encoding="none")(episode)
    assert not torch.allclose(plain_scores, model()(episode))
    assert not torch.allclose(plain_scores, model(frame_encoding="none", joint_encoding="positional")(episode))


def test_maps_of_one_joint_have_no_perceptron_over_joints() -> None:
    backbone = GivenMaps(D)
    backbone.map_joints = 1
    made = Model(backbone, Options(), Known(frames=T))
    assert len(made.joints) == 2
    assert made.score(torch.randn(1, 3, 2, T, 1, D), torch.randn(1, 5, T, 1, D)).shape == (1, 5, 3)


def test_another_number_of_frames_is_refused() -> None:
    with pytest.raises(FrameCountError, match="maps have 4 frames or joints, but the perceptron was built for 3"):
        model().score(maps(1, 3, 2, 4, V, D), maps(1, 5, 4, V, D))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ({"consistency": -1.0}, r"consistency is -1.0; it must be 0 \(none\) or positive"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
