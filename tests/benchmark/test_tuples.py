"""Nearest pairs and the matcher of tuples against the forms in which tuples are built; forward and backward.

An episode of 5 ways, 5 shots and 25 queries, frames of 256 numbers; processor time on one thread. The built form of
nearest pairs is one `cdist` for every query and class, as PAINet needs it, whose frames differ for each. Where all
classes are compared with the same query frames (no cross attention) one `cdist` of all pairs with all is quicker.
Run it with `pytest -m benchmark -s tests/benchmark/test_tuples.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from helpers import plain_tuples as plain
from helpers.interleaved import cpu_seconds, milliseconds
from torch import Tensor

from zoo.parts.frame_distance import between_all
from zoo.parts.tuple_matcher import TupleMatcher
from zoo.parts.tuples import nearest_pairs

ROUNDS, WIDTH = 7, 256
NEAREST_AT_LEAST = {8: (8.0, 2.3), 13: (20.0, 7.8)}
"""By frames: how many times as fast as one `cdist` for every query and class, and as one for all; the second number is
two thirds of what was measured."""
MATCHER_AT_LEAST = 1.0


def episode(frames: int) -> tuple[Tensor, Tensor]:
    """A query (1, 25, T, D) and a support (1, 5, 5, T, D)."""
    torch.manual_seed(0)
    return torch.randn(1, 25, frames, WIDTH), torch.randn(1, 5, 5, frames, WIDTH)


def from_frames(query: Tensor, support: Tensor) -> Tensor:
    squared = between_all(query, support.flatten(1, 2), "squared_frobenius")
    return nearest_pairs(squared.unflatten(2, support.shape[1:3]))


def built_all(query: Tensor, support: Tensor) -> Tensor:
    """One distance table of all pairs of all queries and all pairs of the support."""
    table = torch.cdist(plain.tuples(query, 2).flatten(1, 2), plain.tuples(support, 2).flatten(1, 3))
    table = table.unflatten(1, (query.shape[1], -1)).unflatten(-1, (support.shape[1], -1))
    return table.min(-1).values.mean(2)


def built_each(query: Tensor, support: Tensor) -> Tensor:
    """A table for every query and class."""
    return plain.nearest(query[:, :, None], support[:, None], 2)


def step(distance: Callable[[Tensor, Tensor], Tensor], frames: int) -> Callable[[], None]:
    query, support = (value.requires_grad_() for value in episode(frames))
    return lambda: distance(query, support).sum().backward()


def test_the_forms_have_the_same_distances() -> None:
    query, support = episode(5)
    ours = from_frames(query, support)
    torch.testing.assert_close(built_all(query, support), ours, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(built_each(query, support), ours, rtol=1e-4, atol=1e-4)


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("frames", list(NEAREST_AT_LEAST))
def test_nearest_pairs_are_faster_than_built_ones(frames: int) -> None:
    forms = {"each": built_each, "all": built_all, "ours": from_frames}
    seconds = cpu_seconds({name: step(form, frames) for name, form in forms.items()}, ROUNDS)
    each, whole = (seconds[name] / seconds["ours"] for name in ("each", "all"))
    cells = " | ".join(milliseconds(seconds[name]) for name in forms)
    print(
        "\n| nearest pairs | cdist per query and class | one cdist | ours | ours against both |\n"
        f"|---|---|---|---|---|\n| {frames} frames | {cells} | {each:.1f} x, {whole:.1f} x |"
    )
    assert each >= NEAREST_AT_LEAST[frames][0]
    assert whole >= NEAREST_AT_LEAST[frames][1]


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("frames", "size"), [(8, 2), (13, 2), (8, 3)])
def test_matcher_is_not_slower_than_built_tuples(frames: int, size: int) -> None:
    torch.manual_seed(0)
    matcher = TupleMatcher(WIDTH, WIDTH, size)
    works = {
        "built": step(lambda query, support: plain.matcher(query, support, matcher, size, squared=False), frames),
        "ours": step(lambda query, support: matcher(support, query), frames),
    }
    seconds = cpu_seconds(works, ROUNDS)
    ratio = seconds["built"] / seconds["ours"]
    cells = " | ".join(milliseconds(seconds[name]) for name in works)
    print(f"\n| tuples of {size}, {frames} frames | {cells} | {ratio:.1f} x |")
    assert ratio >= MATCHER_AT_LEAST
