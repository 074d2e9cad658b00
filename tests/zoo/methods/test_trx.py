"""What is special to TRX: tuples keep the order of frames, sizes are averaged, short maps are refused."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_tuples as plain
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods.trx import Model, Options
from zoo.parts.positional_encoding import sinusoids


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def model(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(6), Options(key_width=5, **options)).eval()


def test_scores_are_minus_the_mean_over_sizes_of_the_literal_distance() -> None:
    made, support, query = model(temperature=2.0), maps(1, 2, 3, 5, 4, 6), maps(1, 4, 5, 4, 6, seed=1)
    frames = [clips.mean(-2) + 0.1 * sinusoids(5, 6) for clips in (query, support)]
    each = [plain.matcher(*frames, matcher, size, True) for size, matcher in zip((2, 3), made.matchers, strict=True)]
    torch.testing.assert_close(made.score(support, query), -(each[0] + each[1]) / 4, rtol=1e-4, atol=1e-4)


def test_the_order_of_frames_counts() -> None:
    made, support, query = model(), maps(1, 2, 1, 5, 4, 6), maps(1, 4, 5, 4, 6, seed=1)
    assert not torch.allclose(made.score(support, query.flip(2)), made.score(support, query), rtol=1e-3)


def test_evidence_has_weights_for_each_size() -> None:
    support, query = maps(1, 2, 3, 5, 4, 6), maps(1, 4, 5, 4, 6)
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 4, dtype=torch.long))
    evidence = model().evidence(episode)
    assert {name: tuple(value.shape) for name, value in evidence.items()} == {
        "tuple_weights_2": (1, 4, 2, 10, 3, 10),
        "tuple_weights_3": (1, 4, 2, 10, 3, 10),
    }
    assert all(torch.allclose(value.sum((-1, -2)), torch.ones(())) for value in evidence.values())


def test_fewer_frames_than_a_tuple_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a map has 2 frame\(s\); tuples have 3"):
        model().score(maps(1, 2, 1, 2, 4, 6), maps(1, 4, 2, 4, 6))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": ()}, r"sizes is \(\); it must be one or more different sizes, each at least 1"),
        ({"sizes": (2, 2)}, r"sizes is \(2, 2\); it must be one or more different sizes"),
        ({"key_width": 0}, "key_width is 0; it must be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
