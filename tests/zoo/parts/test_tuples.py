"""Nearest frames and pairs from frame distances against tuples that are built, and against every candidate."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_tuples as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.parts.tuples import nearest_frames, nearest_pairs, nearest_share

SIZES = st.tuples(st.integers(1, 4), st.integers(2, 6), st.integers(2, 6), st.integers(0, 1000))
OURS = {1: nearest_frames, 2: nearest_pairs}


def frames(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("size", [1, 2])
@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_built_tuples_have_the_same_distances_and_gradients(size: int, sizes: tuple[int, int, int, int]) -> None:
    shots, own, other, seed = sizes
    query, support = frames(3, 2, own, 4, seed=seed), frames(3, 2, shots, other, 4, seed=seed + 1)
    value = OURS[size](plain.squared_distances(query, support))
    literal = plain.nearest(query, support, size)
    torch.testing.assert_close(value, literal, rtol=1e-9, atol=1e-9)
    weights = frames(3, 2, seed=seed + 2).detach()
    ours = torch.autograd.grad((value * weights).sum(), (query, support))
    theirs = torch.autograd.grad((literal * weights).sum(), (query, support))
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("size", [1, 2])
@settings(max_examples=20, deadline=None)
@given(SIZES)
def test_no_candidate_is_nearer(size: int, sizes: tuple[int, int, int, int]) -> None:
    shots, own, other, seed = sizes
    squared = frames(shots, own, other, seed=seed).detach().square().requires_grad_()
    value, literal = OURS[size](squared), plain.nearest_of_squared(squared, size)
    torch.testing.assert_close(value, literal, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(each, squared)[0] for each in (value, literal))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_sequence_is_at_distance_zero_from_itself_and_the_gradient_is_finite() -> None:
    query = frames(5, 4)
    squared = plain.squared_distances(query, torch.stack([query, query + 1]))
    for nearest in OURS.values():
        assert nearest(squared).item() == 0
        (gradient,) = torch.autograd.grad(nearest(squared), query, retain_graph=True)
        assert torch.equal(gradient, torch.zeros_like(query))


def test_half_precision_is_summed_in_float32() -> None:
    squared = torch.rand(2, 3, 5, 6).bfloat16()
    for nearest in OURS.values():
        assert nearest(squared).dtype == torch.float32
        torch.testing.assert_close(nearest(squared), nearest(squared.float()))


def test_shares_say_which_frames_are_matched() -> None:
    query = frames(1, 4, 3).detach()
    squared = plain.squared_distances(query, query[:, None].flip(2))
    for frame_share in (nearest_share(squared, "frame"), nearest_share(squared, "frame")):
        torch.testing.assert_close(frame_share[0, 0], torch.eye(4).flip(1).double() / 4)
    share = nearest_share(plain.squared_distances(query, query[:, None]), "pair")
    torch.testing.assert_close(share[0, 0], torch.eye(4).double() / 2)
    with torch.no_grad():
        assert nearest_share(squared, "pair").sum().item() == pytest.approx(2)


@pytest.mark.parametrize("shape", [(2, 1, 5), (2, 5, 1)])
def test_one_frame_has_no_pair(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a map has 1 frame; pairs of frames need at least 2"):
        nearest_pairs(torch.zeros(shape))
    assert nearest_frames(torch.zeros(shape)).item() == 0
