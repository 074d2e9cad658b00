"""The matcher of tuples against its literal form, in which every tuple is built."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_tuples as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.parts import activation, tuple_matcher
from zoo.parts.tuple_matcher import TupleMatcher


def module(size: int, squared: bool = False, width: int = 6, key_width: int = 5) -> TupleMatcher:
    generator = torch.Generator().manual_seed(size)
    matcher = TupleMatcher(width, key_width, size, squared).double()
    with torch.no_grad():
        for weight in matcher.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator, dtype=torch.float64), alpha=0.5)
    return matcher


def maps(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def with_gradients(distance: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    weights = maps(*distance.shape, seed=9).detach()
    return distance, *torch.autograd.grad((distance * weights).sum(), inputs)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2), st.integers(1, 3), st.integers(0, 1000))
def test_built_tuples_have_the_same_distances_and_gradients(
    size: int, squared: bool, more: int, shots: int, seed: int
) -> None:
    matcher = module(size, squared)
    query, support = maps(2, 3, size + more, 6, seed=seed), maps(2, 4, shots, size + more, 6, seed=seed + 1)
    inputs = (query, support, *matcher.parameters())
    ours = with_gradients(matcher(support, query), *inputs)
    literal = with_gradients(plain.matcher(query, support, matcher, size, squared), *inputs)
    torch.testing.assert_close(ours, literal, rtol=1e-8, atol=1e-8)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matcher, query, support = module(2), maps(2, 5, 4, 6), maps(2, 3, 2, 4, 6, seed=1)
    inputs = (query, support, *matcher.parameters())
    whole = with_gradients(matcher(support, query), *inputs)
    monkeypatch.setitem(activation.PAIRS_AT_ONCE, "cpu", 4)
    monkeypatch.setattr(tuple_matcher, "NUMBERS_PER_PAIR", 216)
    torch.testing.assert_close(with_gradients(matcher(support, query), *inputs), whole)


def test_weights_are_the_attention_of_each_tuple_to_those_of_a_class() -> None:
    matcher, query, support = module(2), maps(1, 3, 4, 6), maps(1, 2, 2, 4, 6, seed=1)
    weights = matcher.weights(support, query)
    assert weights.shape == (1, 3, 2, 6, 2, 6)
    torch.testing.assert_close(weights.sum((-1, -2)), torch.ones_like(weights[..., 0, 0]))
    value = plain.tuples(support, 2) @ matcher.value.weight.T
    prototype = torch.einsum("bqnpkr,bnkrd->bqnpd", weights, value)
    gap = (plain.tuples(query, 2) @ matcher.value.weight.T)[:, :, None] - prototype
    torch.testing.assert_close(gap.norm(dim=-1).mean(-1), matcher(support, query))


def test_float32_is_near_float64() -> None:
    matcher, query, support = module(2), maps(1, 3, 8, 6), maps(1, 2, 2, 8, 6, seed=1)
    exact = matcher(support, query)
    torch.testing.assert_close(matcher.float()(support.float(), query.float()).double(), exact, rtol=1e-5, atol=1e-5)


def test_clips_of_zeros_have_a_gradient() -> None:
    matcher = module(2)
    query, support = torch.zeros(1, 2, 3, 6, dtype=torch.float64), torch.zeros(1, 2, 2, 3, 6, dtype=torch.float64)
    distance = matcher(support.requires_grad_(), query.requires_grad_())
    assert torch.equal(distance, torch.zeros_like(distance))
    assert all(gradient.isfinite().all() for gradient in with_gradients(distance, query, support))


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a map has 1 frame\(s\); tuples have 2. Use more frames"):
        module(2)(torch.zeros(1, 2, 1, 1, 6).double(), torch.zeros(1, 3, 1, 6).double())
    with pytest.raises(ValueError, match="size is 0; a tuple has at least 1 frame"):
        TupleMatcher(6, 5, 0)
