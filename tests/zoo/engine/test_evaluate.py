"""Accuracy and interval against numbers made by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from episodes.episode import Episode
from zoo.engine.evaluate import interval95, last, measure


@dataclass(frozen=True)
class Fixed:
    """A server of made-up episodes whose answers are known."""

    answers: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.answers)

    def at(self, step: int) -> Episode:
        answer = torch.tensor([self.answers[step]])
        clip = torch.zeros(1, answer.shape[1], 1, 1, 1, 1)
        return Episode(torch.zeros(1, 2, 1, 1, 1, 1, 1), clip, answer, torch.tensor([[0, 1]]))


class SaysZero(torch.nn.Module):
    def forward(self, episode: Episode) -> torch.Tensor:
        assert not self.training
        return torch.tensor([1.0, 0.0]).expand(*episode.answer.shape, 2)


def test_sums_first_ratio_last() -> None:
    result = last(measure(SaysZero(), [Fixed(((0, 0, 0, 0), (1, 0)))]))
    assert result.accuracy == pytest.approx(5 / 6)
    assert (result.episodes, result.queries) == (2, 6)
    assert result.interval == pytest.approx(interval95(torch.tensor([1.0, 0.5])))


def test_chunks_of_one_task_are_not_episodes() -> None:
    result = last(measure(SaysZero(), [Fixed(((0, 0), (1, 1)))], independent=False))
    assert (result.episodes, result.accuracy) == (1, 0.5)
    assert result.interval == pytest.approx(1.96 * (0.25 / 4) ** 0.5)
    both = last(measure(SaysZero(), [Fixed(((0, 0),)), Fixed(((1, 1),))], independent=False))
    assert both.episodes == 2
    assert both.interval == pytest.approx(interval95(torch.tensor([1.0, 0.0])))


def test_the_mode_is_put_back() -> None:
    model = SaysZero().train()
    last(measure(model, [Fixed(((0,),))]))
    assert model.training


def test_no_episode_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"budget\.test must be at least 1"):
        last(measure(SaysZero(), [Fixed(())]))
