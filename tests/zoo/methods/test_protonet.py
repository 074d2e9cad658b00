"""What is special to ProtoNet: pooling, scale and temperature."""

from __future__ import annotations

import pytest
import torch
from helpers.learners import GivenMaps, episode_of

from zoo.methods.protonet import Model, Options


def scores(**options) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, 5, 6, generator=generator)
    query = torch.randn(1, 7, 4, 5, 6, generator=generator)
    return Model(GivenMaps(6), Options(**options)).score(support, query)


def test_whole_maps_by_default() -> None:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, 5, 6, generator=generator)
    query = torch.randn(1, 7, 4, 5, 6, generator=generator)
    literal = -(query[:, :, None] - support.mean(2)[:, None]).square().sum((3, 4, 5))
    torch.testing.assert_close(scores(), literal)


@pytest.mark.parametrize(("pooling", "numbers"), [("flatten", 4 * 5 * 6), ("mean", 6)])
def test_scale(pooling: str, numbers: int) -> None:
    plain = scores(pooling=pooling)
    torch.testing.assert_close(scores(pooling=pooling, normalise_by_dim=True), plain / numbers)
    torch.testing.assert_close(scores(pooling=pooling, temperature=4.0), plain / 4)


@pytest.mark.parametrize("pooling", ["flatten", "mean"])
def test_cosine_written_out(pooling: str) -> None:
    """Shot by shot: a unit vector of each, their mean, its cosine with every query."""
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, 3, 2, 4, 5, 6, generator=generator)
    query = torch.randn(1, 7, 4, 5, 6, generator=generator)
    literal = torch.empty(1, 7, 3)
    for n in range(3):
        shots = [shot.mean((0, 1)) if pooling == "mean" else shot.flatten() for shot in support[0, n]]
        prototype = sum(shot / shot.norm() for shot in shots) / 2
        for q in range(7):
            vector = query[0, q].mean((0, 1)) if pooling == "mean" else query[0, q].flatten()
            literal[0, q, n] = vector @ prototype / (vector.norm() * prototype.norm())
    torch.testing.assert_close(scores(pooling=pooling, metric="cosine", temperature=0.1), 10 * literal)


def test_cosine_does_not_depend_on_the_scale_of_maps() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 3, 2, 4, 5, 6, generator=generator), torch.randn(1, 7, 4, 5, 6, generator=generator)
    model = Model(GivenMaps(6), Options(metric="cosine"))
    scales = torch.tensor([0.01, 3.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(model.score(scales * support, 5 * query), model.score(support, query))
    assert model.score(support, 0 * query).eq(0).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"metric": "cosine", "normalise_by_dim": True}, "normalise_by_dim is for squared_euclidean"),
    ],
)
def test_options_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)


def test_mean_pooling_ignores_the_order_of_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 3, 2, 4, 5, 6, generator=generator), torch.randn(1, 7, 4, 5, 6, generator=generator)
    model = Model(GivenMaps(6), Options(pooling="mean"))
    torch.testing.assert_close(model.score(support, query.flip(2)), model.score(support, query))


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["flatten", "mean"])
@pytest.mark.parametrize(
    "options", [{}, {"normalise_by_dim": True, "temperature": 3.0}, {"metric": "cosine", "temperature": 0.1}]
)
def test_scores_of_frames_and_joints_add_up(pooling: str, options: dict) -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(2, 3, 2, 4, 5, 6, generator=generator), torch.randn(2, 7, 4, 5, 6, generator=generator)
    model = Model(GivenMaps(6), Options(pooling=pooling, **options))
    parts = model.evidence(episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(2, 7).long()))
    assert parts["joint_score"].shape == (2, 7, 3, 4, 5)
    torch.testing.assert_close(parts["joint_score"].sum((3, 4)), model.score(support, query), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_score_of_a_frame_and_joint_is_its_squared_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 3, 2, 4, 5, 6, generator=generator), torch.randn(1, 7, 4, 5, 6, generator=generator)
    clips = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 7).long())
    parts = Model(GivenMaps(6), Options()).evidence(clips)["joint_score"]
    literal = -(query[0, 4, 2, 1] - support[0, 1, :, 2, 1].mean(0)).square().sum()
    torch.testing.assert_close(parts[0, 4, 1, 2, 1], literal)
