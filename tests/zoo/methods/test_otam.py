"""What is special to OTAM: the recursion cell by cell, a free start and end, and the order of frames."""

from __future__ import annotations

import pytest
import torch
from helpers.learners import GivenMaps, episode_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.methods.otam import Model, Options, ordered_alignment


def cell_by_cell(cost: Tensor, smoothing: float) -> Tensor:
    """The published recursion over the table with a column of zeros on both sides."""

    def least(*values: Tensor) -> Tensor:
        stacked = torch.stack(values)
        return -smoothing * torch.log(torch.exp(-stacked / smoothing).sum()) if smoothing else stacked.min()

    rows, columns = cost.shape[0], cost.shape[1] + 2
    zero = cost.new_zeros(())
    table = [[zero] * columns for _ in range(rows)]
    padded = torch.nn.functional.pad(cost, (1, 1))
    for column in range(1, columns):
        table[0][column] = padded[0, column] + table[0][column - 1]
    for row in range(1, rows):
        for column in range(1, columns):
            before = [table[row - 1][column - 1], table[row][column - 1]]
            if column in (1, columns - 1):
                before.append(table[row - 1][column])
            table[row][column] = padded[row, column] + least(*before)
    return table[-1][-1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.0, 0.1, 1.0]), st.integers(0, 1000))
def test_columns_at_once_are_the_recursion_cell_by_cell(rows: int, columns: int, smoothing: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(2, rows, columns, generator=generator, dtype=torch.float64).requires_grad_()
    ours = ordered_alignment(cost, smoothing)
    theirs = torch.stack([cell_by_cell(table, smoothing) for table in cost])
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(value.sum(), cost)[0] for value in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1])


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_late_start_costs_less_than_another_order() -> None:
    support = maps(1, 2, 1, 8, 3, 4)
    late = torch.cat([support[:, 0, :, :1].expand(-1, -1, 3, -1, -1), support[:, 0, :, :5]], dim=2)
    support[:, 1] = support[:, 0].flip(2)
    scores = Model(GivenMaps(4), Options(smoothing=0.0)).score(support, late)
    assert scores.argmax() == 0


def test_the_distance_of_shots_is_averaged_and_large_costs_do_not_overflow() -> None:
    model, support, query = Model(GivenMaps(4), Options()), maps(1, 2, 3, 8, 3, 4), maps(1, 2, 8, 3, 4, seed=1)
    each = torch.stack([model.score(support[:, :, k : k + 1], query) for k in range(3)])
    torch.testing.assert_close(model.score(support, query), each.mean(0))
    assert ordered_alignment(torch.full((40, 40), 100.0), 0.1).isfinite()


def test_evidence_is_the_cost_and_its_share() -> None:
    model, support, query = Model(GivenMaps(4), Options(temperature=2.0)), maps(1, 2, 3, 8, 3, 4), maps(1, 4, 8, 3, 4)
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 4, dtype=torch.long))
    evidence = model.evidence(episode)
    assert evidence["frame_distance"].shape == evidence["alignment"].shape == (1, 4, 2, 3, 8, 8)
    assert evidence["alignment"].min() >= 0
    # Each direction goes through all 8 frames of one sequence once.
    torch.testing.assert_close(evidence["alignment"].sum((-1, -2)), torch.full((1, 4, 2, 3), 16.0), rtol=0.2, atol=0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smoothing": -0.1}, r"smoothing is -0.1; it must be 0 \(the minimum\) or positive \(soft\)"),
        ({"epsilon": -1.0}, "epsilon is -1.0; it must be 0 or positive"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
