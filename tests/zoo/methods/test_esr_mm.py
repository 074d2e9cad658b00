"""ESR-MM against its code's steps written out, clip by clip; each option changes what it names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_metrics as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.methods.esr_mm import Model, Options, contrast, frame_norm
from zoo.parts import activation

T, V, D = 3, 25, 6


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(D), Options(**options)).double().eval()


def task() -> Episode:
    support, query = maps(1, 3, 2, T, V, D), maps(1, 5, T, V, D, seed=1)
    return episode_of(support[:, :, :, None], query[:, :, None], torch.tensor([[0, 1, 1, 2, 0]]))


def attended(made: Model, clip: Tensor, supports: list[Tensor]) -> Tensor:
    """A clip (T, V, D) that takes values of every support's joints: residual, layer norm, mean over supports."""
    block, found = made.block, []
    for support in supports:
        frames = []
        for own, other in zip(clip, support, strict=True):
            attention = F.softmax(block.own(own) @ block.other(other).T / D**0.5, dim=1)
            frames.append(block.norm(block.dense(attention @ block.value(other)) + own))
        found.append(torch.stack(frames))
    return torch.stack(found).mean(0)


def literal(made: Model, episode: Episode) -> tuple[Tensor, Tensor, Tensor]:
    """Unscaled distances (Q, N), class means and queries, by the code's steps."""
    supports = list(episode.support[0, :, :, 0].flatten(0, 1))
    shots = torch.stack([attended(made, clip, supports) for clip in supports]).unflatten(0, (3, 2))
    means = shots.mean(1)
    queries = torch.stack([attended(made, clip, supports) for clip in episode.query[0, :, 0]])
    rows = []
    for query in queries:
        tables = [1 - F.normalize(query.flatten(1), dim=1) @ F.normalize(mean.flatten(1), dim=1).T for mean in means]
        rows.append(torch.stack([plain.mean_hausdorff(table) + 0.1 * plain.consistency(table) for table in tables]))
    return torch.stack(rows), means, queries


def test_scores_and_losses_are_those_of_the_code() -> None:
    made, episode = model(temperature=0.5), task()
    distance, means, queries = literal(made, episode)
    least, most = distance.min(1, keepdim=True).values, distance.max(1, keepdim=True).values
    scaled = (distance - least) / (most - least) + 1e-6
    torch.testing.assert_close(made(episode)[0], -scaled / 0.5)
    losses = made.losses(episode)
    torch.testing.assert_close(losses.parts["cross_entropy"], F.cross_entropy(-scaled / 0.5, episode.answer[0]))
    norms = sum(
        -torch.linalg.norm(torch.linalg.svdvals(clips.flatten(0, 1))) / (len(clips) * T) for clips in (means, queries)
    )
    torch.testing.assert_close(losses.parts["norm"], 0.0005 * norms)
    rows = []
    for n in range(3):
        own = episode.answer[0] == n
        rows.append(torch.log(scaled[own, n].sum() / (scaled[~own, n].sum() + 1e-6)))
    torch.testing.assert_close(losses.parts["contrast"], 0.003 * torch.stack(rows).mean())


def test_options_change_what_they_name() -> None:
    episode, distance = task(), literal(model(), task())[0]
    torch.testing.assert_close(model(scaled=False)(episode)[0], -distance)
    assert model(attention=False).block is None
    assert set(model(norm_weight=0.0, contrast_weight=0.0).losses(episode).parts) == {"cross_entropy"}
    means, sums = model(scaled=False, consistency=0.0), model(scaled=False, consistency=0.0, reduction="sum")
    torch.testing.assert_close(sums(episode), 2 * T * means(episode))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, episode = model(), task()
    whole = made.losses(episode).total
    gradients = torch.autograd.grad(whole, list(made.parameters()))
    monkeypatch.setitem(activation.PAIRS_AT_ONCE, "cpu", 2 * 8 * 6 * T)
    parts = made.losses(episode).total
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, list(made.parameters())), gradients)


def test_a_class_without_queries_does_not_count() -> None:
    distance = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0))
    answer = torch.tensor([[0, 0, 2, 2]])
    rows = [
        torch.log(distance[0, :2, 0].sum() / distance[0, 2:, 0].sum()),
        torch.log(distance[0, 2:, 2].sum() / distance[0, :2, 2].sum()),
    ]
    torch.testing.assert_close(contrast(distance, answer), torch.stack(rows).mean(), rtol=1e-4, atol=1e-4)


def test_the_norm_is_of_each_episode() -> None:
    clips = maps(2, 3, T, V, D)
    torch.testing.assert_close(frame_norm(clips), (frame_norm(clips[:1]) + frame_norm(clips[1:])) / 2)


def test_evidence_is_the_attention_to_a_class() -> None:
    made, episode = model(), task()
    evidence = made.evidence(episode)
    assert evidence["frame_distance"].shape == (1, 5, 3, T, T)
    assert evidence["attention"].shape == (1, 5, 3, T, V, V)
    block = made.block
    tables = [
        F.softmax(block.own(episode.query[0, 1, 0, 2]) @ block.other(shot[0, 2]).T / D**0.5, dim=1)
        for shot in episode.support[0, 2]
    ]
    torch.testing.assert_close(evidence["attention"][0, 1, 2, 2], torch.stack(tables).mean(0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ({"consistency": -1.0}, r"consistency is -1.0; it must be 0 \(none\) or positive"),
        ({"norm_weight": -1.0}, r"norm_weight is -1.0; it must be 0 \(none\) or positive"),
        ({"contrast_weight": -1.0}, r"contrast_weight is -1.0; it must be 0 \(none\) or positive"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
