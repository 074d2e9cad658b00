"""Arrays that autograd does not keep: the same gradients, and less memory."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from zoo.backbones._backbone import graph_convolution, mix_joints, pointwise
from zoo.backbones._recompute import not_kept


def given(stack: tuple[int, ...] = ()) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (2, 3, 5, 4), (*stack, 3, 5, 5), (6, 12), (6,)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("stack", [(), (2,)], ids=["one graph", "a graph per clip"])
def test_graph_convolution_has_the_gradients_of_its_two_steps(stack: tuple[int, ...]) -> None:
    inputs = given(stack)
    maps, adjacency, weight, bias = inputs
    found = graph_convolution(maps, adjacency, weight, bias)
    expected = pointwise(mix_joints(maps, adjacency), weight, bias)
    assert torch.equal(found, expected)
    ours, theirs = (torch.autograd.grad(out.pow(3).sum(), inputs) for out in (found, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kept", [False, True])
def test_array_is_gone_until_the_backward_pass(kept: bool) -> None:
    source, weight = torch.arange(4.0), torch.ones(4, requires_grad=True)
    value = source.exp()
    watched = weakref.ref(value.untyped_storage())
    if kept:
        out = value * weight
    else:
        with not_kept(value, lambda: source.exp()):
            out = value[:] * weight
    del value
    gc.collect()
    assert (watched() is not None) == kept
    out.sum().backward()
    assert torch.equal(weight.grad, source.exp())


def test_other_arrays_are_kept_as_they_are() -> None:
    first, second = torch.ones(3, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)
    with not_kept(torch.zeros(3), lambda: pytest.fail("nothing is to be made again")):
        (first * second).sum().backward()
    assert torch.equal(first.grad, second.detach())
