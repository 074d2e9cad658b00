"""Accuracy and interval against numbers made by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from helpers.learners import episode_of

from episodes.episode import Episode
from prep.progress import result
from zoo.engine.evaluate import interval95, measure


@dataclass(frozen=True)
class Fixed:
    """A loader of synthetic episodes with known answers."""

    answers: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.answers)

    def at(self, step: int) -> Episode:
        answer = torch.tensor([self.answers[step]])
        clip = torch.zeros(1, answer.shape[1], 1, 1, 1, 1)
        return episode_of(torch.zeros(1, 2, 1, 1, 1, 1, 1), clip, answer)


class SaysZero(torch.nn.Module):
    def forward(self, episode: Episode) -> torch.Tensor:
        assert not self.training
        return torch.tensor([1.0, 0.0]).expand(*episode.answer.shape, 2)


def test_sums_first_ratio_last() -> None:
    measured = result(measure(SaysZero(), [Fixed(((0, 0, 0, 0), (1, 0)))]))
    assert measured.accuracy == pytest.approx(5 / 6)
    assert (measured.tasks, measured.queries) == (2, 6)
    assert measured.interval == pytest.approx(interval95(torch.tensor([1.0, 0.5])))


def test_chunks_of_one_task_are_not_episodes() -> None:
    one = result(measure(SaysZero(), [Fixed(((0, 0), (1, 1)))], independent=False))
    assert (one.tasks, one.accuracy) == (1, 0.5)
    assert one.interval == pytest.approx(1.96 * (0.25 / 4) ** 0.5)
    both = result(measure(SaysZero(), [Fixed(((0, 0),)), Fixed(((1, 1),))], independent=False))
    assert both.tasks == 2
    assert both.interval == pytest.approx(interval95(torch.tensor([1.0, 0.0])))


def test_the_mode_is_put_back() -> None:
    model = SaysZero().train()
    result(measure(model, [Fixed(((0,),))]))
    assert model.training


def test_no_episode_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"budget\.test_episodes must be at least 1"):
        result(measure(SaysZero(), [Fixed(())]))


class TunesOnTheSupport(torch.nn.Module):
    """Takes a gradient of something made of the episode, as a method that fine-tunes on the support does."""

    def forward(self, episode: Episode) -> torch.Tensor:
        with torch.enable_grad():
            weight = episode.support.sum((2, 3, 4, 5, 6)).requires_grad_()
            (gradient,) = torch.autograd.grad((weight - 1).square().sum(), weight)
        assert bool(gradient.ne(0).all())
        return torch.tensor([1.0, 0.0]).expand(*episode.answer.shape, 2)


def test_a_method_may_fine_tune_on_the_support() -> None:
    assert result(measure(TunesOnTheSupport(), [Fixed(((0, 0),))])).accuracy == 1
    assert torch.is_grad_enabled()
