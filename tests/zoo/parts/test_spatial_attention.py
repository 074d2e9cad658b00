"""PAINet's spatial attention against eq. 2-4 taken literally, and what its switches change."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_painet as plain
from helpers.learners import FIVE
from torch import Tensor

from zoo.parts import activation
from zoo.parts.spatial_attention import (
    ChannelSpecificAttention,
    CrossAttention,
    JointFeedForward,
    Relations,
    SelfAttention,
    around,
)

WIDTH = 8
ALL = Relations(FIVE, part=True, semantic=True, reading="pool")
NONE = Relations(FIVE, part=False, semantic=False, reading="pool")


def maps(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 5, WIDTH, dtype=torch.float64, generator=generator)


def cross(relations: Relations | None) -> CrossAttention:
    torch.manual_seed(1)
    module = CrossAttention(WIDTH, relations).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("learnt"):
                parameter.normal_()
    return module


def literal(module: CrossAttention, query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
    """Every pair by itself: (B, Q, N, T, D) of the query and of the support."""
    sides = ([], [])
    for episode in range(len(query)):
        for mine in query[episode]:
            for theirs in support[episode]:
                sides[0].append(plain.cross_sequence(mine, theirs, module.query, module.part))
                sides[1].append(plain.cross_sequence(theirs, mine, module.support, module.part))
    shape = (*query.shape[:2], support.shape[1])
    first, second = (torch.stack(side).unflatten(0, shape) for side in sides)
    return first, second


@pytest.mark.parametrize("relations", [ALL, NONE], ids=["relations", "none"])
def test_cross_attention_is_equation_2(relations: Relations) -> None:
    module = cross(relations)
    query, support = maps(2, 3, 4).requires_grad_(), maps(2, 2, 4, seed=1).requires_grad_()
    found, expected = module(query, support), literal(module, query, support)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    weights = [query, support, *module.parameters()]
    ours, theirs = (
        torch.autograd.grad(sum(side.pow(3).sum() for side in sides), weights) for sides in (found, expected)
    )
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module, query, support = cross(ALL), maps(1, 7, 3).requires_grad_(), maps(1, 4, 3, seed=1)
    found = []
    for size in (10**9, 1):
        monkeypatch.setitem(activation.PAIRS_AT_ONCE, "cpu", size)
        both = torch.cat(module(query, support))
        found.append((both, *torch.autograd.grad(both.pow(2).sum(), [query, *module.parameters()])))
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(whole, chunked, rtol=1e-10, atol=1e-12)


def test_attention_of_pairs_is_what_the_frames_were_summed_with() -> None:
    module, query, support = cross(ALL), maps(1, 2, 3), maps(1, 4, 3, seed=1)
    attention = module.attention(query, support)
    assert attention.shape == (1, 2, 4, 3, 5, 5)
    torch.testing.assert_close(attention.sum(-1), torch.ones(1, 2, 4, 3, 5, dtype=torch.float64))
    value = module.query.value(query)[:, :, None]
    frames = module.query.refine(attention @ value)
    torch.testing.assert_close(frames, module(query, support)[0], rtol=1e-9, atol=1e-11)


def test_maps_of_one_joint_have_nothing_to_attend_to() -> None:
    module = cross(None)
    names = {name.split(".")[1] for name, _ in module.named_parameters()}
    assert names == {"value", "refine"}
    query, support = maps(1, 3, 4)[..., :1, :], maps(1, 2, 4, seed=1)[..., :1, :]
    of_query, of_support = module(query, support)
    assert of_query.shape == of_support.shape == (1, 3, 2, 4, WIDTH)
    assert module.attention(query, support) is None
    torch.testing.assert_close(of_query[:, :, 0], of_query[:, :, 1])


def within(relations: Relations | None, **options: float) -> SelfAttention:
    torch.manual_seed(2)
    return SelfAttention(WIDTH, relations, **options).double()


@pytest.mark.parametrize("relations", [ALL, NONE], ids=["relations", "none"])
def test_self_attention_is_equations_3_and_4(relations: Relations) -> None:
    module, given = within(relations), maps(3, 4)
    expected = torch.stack([torch.stack([plain.self_frame(frame, module) for frame in clip]) for clip in given])
    torch.testing.assert_close(module(given), expected, rtol=1e-9, atol=1e-11)


def test_sliding_window_is_attention_to_the_frames_around() -> None:
    module, given = within(NONE, window=3), maps(2, 4)
    expected = [torch.stack([plain.windowed_frame(clip, t, module, 3) for t in range(4)]) for clip in given]
    torch.testing.assert_close(module(given), torch.stack(expected), rtol=1e-9, atol=1e-11)


def test_masks_are_drawn_in_training_only() -> None:
    module, given = within(NONE, mask_ratio=0.5), maps(2, 4)
    plain_module = within(NONE)
    torch.testing.assert_close(module.eval()(given), plain_module(given))
    attention = module.train().attention(given)
    left_out = attention.eq(0).all(-2)
    assert 0.2 < left_out.double().mean() < 0.8
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 4, 5, dtype=torch.float64))
    assert not torch.equal(attention, module.attention(given))


def test_nothing_left_to_attend_to_is_still_a_number() -> None:
    module = within(NONE, mask_ratio=0.999).train()
    assert torch.isfinite(module(maps(20, 4))).all()


def test_channel_specific_attention() -> None:
    torch.manual_seed(3)
    module, given = ChannelSpecificAttention(WIDTH, NONE).double(), maps(2, 3)
    expected = [torch.stack([plain.channel_specific_frame(clip, t, module) for t in range(3)]) for clip in given]
    torch.testing.assert_close(module(given), torch.stack(expected), rtol=1e-9, atol=1e-11)
    attention = module.attention(given)
    torch.testing.assert_close(attention.sum(-2), torch.ones(2, 5, WIDTH, dtype=torch.float64))


@pytest.mark.parametrize("window", [1, 3])
def test_self_attention_on_one_joint(window: int) -> None:
    module, given = within(None, window=window), maps(2, 4)[..., :1, :]
    values = around(module.value(given), window)
    inside = torch.tensor([2.0, 3, 3, 2] if window == 3 else [1.0] * 4, dtype=torch.float64).view(4, 1, 1)
    torch.testing.assert_close(module(given), module.refine(values.sum(-2, keepdim=True) / inside))


def test_feed_forward_of_an_attention_is_that_of_its_sums() -> None:
    torch.manual_seed(4)
    module = JointFeedForward(WIDTH).double()
    attention = torch.rand(3, 5, 2, 5, dtype=torch.float64).softmax(-1)
    values = maps(3)
    summed = attention.transpose(1, 2) @ values[:, None]
    torch.testing.assert_close(module.attended(attention, values, module.first(values)), module(summed))
    torch.testing.assert_close(module(values), torch.stack([plain.feed_forward(frame, module) for frame in values]))
