from __future__ import annotations

import pytest
import torch

from episodes.counter import MASK, Stream, fold_in, randint, split, uniform

DRAWS = 200_000


def numbers(*parts: int) -> torch.Tensor:
    return uniform(split(fold_in(*parts), torch.arange(DRAWS)))


def chi_square(cells: torch.Tensor, count: int) -> float:
    expected = cells.numel() / count
    return float((torch.bincount(cells, minlength=count) - expected).square().sum() / expected)


@pytest.mark.parametrize("seed", [0, 1, 2022, 2**31 + 5])
def test_numbers_are_even(seed: int) -> None:
    cells = (numbers(seed, Stream.CLIPS) * 256).long()
    # 255 degrees of freedom: mean 255, standard deviation 22.6; five of them either way.
    assert 142 < chi_square(cells, 256) < 368


@pytest.mark.parametrize("lag", [1, 2, 7, 1000])
def test_neighbours_are_independent(lag: int) -> None:
    cells = (numbers(3, Stream.FRAMES) * 16).long()
    assert 142 < chi_square(cells[lag:] * 16 + cells[:-lag], 256) < 368


@pytest.mark.parametrize("other", [(4, Stream.CLIPS), (3, Stream.CLASSES)])
def test_seeds_and_streams_are_independent(other: tuple[int, int]) -> None:
    here, there = (numbers(3, Stream.CLIPS) * 16).long(), (numbers(*other) * 16).long()
    assert 142 < chi_square(here * 16 + there, 256) < 368


def test_nested_indexes_are_independent_of_each_other() -> None:
    outer = split(fold_in(1), torch.arange(500))[:, None]
    cells = (uniform(split(outer, torch.arange(400))) * 16).long()
    assert 142 < chi_square((cells[1:] * 16 + cells[:-1]).flatten(), 256) < 368
    assert 142 < chi_square((cells[:, 1:] * 16 + cells[:, :-1]).flatten(), 256) < 368


def test_different_indexes_never_tie() -> None:
    assert len(split(fold_in(9), torch.arange(DRAWS)).unique()) == DRAWS


def test_a_number_does_not_depend_on_its_company() -> None:
    alone = torch.stack([split(fold_in(5), torch.tensor(i)) for i in range(20)])
    assert torch.equal(alone, split(fold_in(5), torch.arange(20)))


def test_numbers_are_frozen() -> None:
    """Another value here means that every seed gives other episodes than before."""
    assert fold_in(2022, 3) == 3_390_553_740
    assert split(fold_in(0, 1), torch.tensor([5])).tolist() == [221_710_302]


def test_below_reaches_both_ends_and_not_further() -> None:
    word = torch.tensor([0, MASK])
    for count in (1, 2, 3, 1000, 2**31 - 1):
        assert randint(word, count).tolist() == [0, count - 1]
    assert uniform(word).tolist()[1] < 1
    counts = torch.bincount(randint(split(fold_in(1), torch.arange(DRAWS)), 7), minlength=7)
    assert (counts - DRAWS / 7).abs().max() < 5 * (DRAWS / 7) ** 0.5


@pytest.mark.gpu
def test_the_gpu_gives_the_same_numbers() -> None:
    here = split(split(fold_in(1, 2), torch.arange(100))[:, None], torch.arange(300))
    index = torch.arange(300, device="cuda")
    there = split(split(fold_in(1, 2), torch.arange(100, device="cuda"))[:, None], index)
    assert torch.equal(here, there.cpu())
