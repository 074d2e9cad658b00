"""Attention drop by its literal form, and at its edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.parts.attention_drop import LEAST, attention_drop, energy_attention


def literal(maps: Tensor, keep: float) -> Tensor:
    """Clip by clip and channel by channel, as the paper writes it."""
    X, T, V, D = maps.shape
    attention = torch.zeros_like(maps)
    for x in range(X):
        for d in range(D):
            channel = maps[x, :, :, d]
            square = (channel - channel.mean()) ** 2
            energy = square / (4 * (square.sum() / (T * V - 1) + 1e-4)) + 0.5
            attention[x, :, :, d] = 1 / (1 + torch.exp(-energy))
    joints = torch.tensor([[float(attention[x, :, v].mean() < keep) for v in range(V)] for x in range(X)])
    out = torch.zeros_like(maps)
    features = (attention < keep).to(maps)
    for x in range(X):
        for v in range(V):
            out[x, :, v] = maps[x, :, v] * joints[x, v] * X * V / joints.sum()
    return out * features * features.numel() / features.sum()


def test_it_is_the_literal_form() -> None:
    maps = torch.randn(3, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for keep in (0.69, 0.7, 0.8):
        torch.testing.assert_close(attention_drop(maps, keep), literal(maps, keep).double())


def test_attention_is_least_at_the_mean_of_a_channel() -> None:
    flat = energy_attention(torch.ones(1, 3, 3, 1))
    assert math.isclose(LEAST, 0.6225, abs_tol=1e-4)
    torch.testing.assert_close(flat, torch.full_like(flat, LEAST))


def test_a_map_of_one_vector_is_kept() -> None:
    maps = torch.randn(4, 1, 1, 6)
    assert torch.equal(attention_drop(maps), maps)


def test_where_nothing_is_kept_the_map_is_zero() -> None:
    assert attention_drop(torch.randn(4, 3, 5, 6), keep=0.6).eq(0).all()


def test_the_gradient_is_the_mask() -> None:
    maps = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = attention_drop(maps, 0.72)
    out.sum().backward()
    torch.testing.assert_close(maps.grad, out.detach() / maps.detach())
