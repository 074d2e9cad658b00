"""Both activations against DASTM written out pair by pair."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from helpers import plain_dastm as plain
from torch import Tensor, nn

from zoo.parts import activation
from zoo.parts.activation import AlignedActivation, PairwiseActivation


def maps(dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(1, 4, 3, 5, 8, generator=generator, dtype=dtype)
    support = torch.randn(1, 2, 3, 5, 8, generator=generator, dtype=dtype)
    return query.requires_grad_(), support.requires_grad_()


def gradients(distance: Tensor, module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    weights = torch.linspace(0.5, 2, distance.numel(), dtype=distance.dtype).view_as(distance)
    return list(torch.autograd.grad((distance * weights).sum(), [*inputs, *module.parameters()]))


def compare(module: nn.Module, fast: Tensor, slow: Tensor, inputs: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(fast, slow[None], rtol=1e-9, atol=1e-10)
    pairs = zip(gradients(fast, module, inputs), gradients(slow, module, inputs), strict=True)
    for ours, literal in pairs:
        torch.testing.assert_close(ours, literal, rtol=1e-7, atol=1e-9)


def test_pairwise_is_algorithm_2() -> None:
    query, support = maps()
    module = PairwiseActivation(8).double()
    fast = module(query, support, "frobenius")
    compare(module, fast, plain.pairwise(query[0], support[0], module), (query, support))


@pytest.mark.parametrize(("residual", "heads"), [(True, 1), (True, 2), (True, 8), (False, 1)])
def test_aligned_is_the_repository(residual: bool, heads: int) -> None:
    query, support = maps()
    module = AlignedActivation(8, residual, dropout=0.2, heads=heads).double().eval()
    fast = module(query, support, "cosine")
    compare(module, fast, plain.aligned(query[0], support[0], module, residual), (query, support))


@pytest.mark.parametrize(
    ("make", "literal"),
    [
        (lambda: PairwiseActivation(8, joints=1), plain.pairwise),
        (lambda: AlignedActivation(8, True, 0.2, joints=1), plain.aligned),
        (lambda: AlignedActivation(8, True, 0.2, heads=2, joints=1), plain.aligned),
    ],
)
def test_one_joint_has_values_only(make, literal) -> None:
    query, support = (value[..., :1, :].detach().requires_grad_() for value in maps())
    module = make().double().eval()
    assert not [name for name, _ in module.named_parameters() if "own" in name or "other" in name]
    kind = "frobenius" if literal is plain.pairwise else "cosine"
    compare(module, module(query, support, kind), literal(query[0], support[0], module), (query, support))
    # The same as a module with projections: a softmax over one joint is 1 whatever they are.
    full = PairwiseActivation(8) if literal is plain.pairwise else AlignedActivation(8, True, 0.2, module.query.heads)
    full.double().eval().load_state_dict(module.state_dict(), strict=False)
    torch.testing.assert_close(full(query, support, kind), module(query, support, kind))


@pytest.mark.parametrize(("heads", "residual"), [(0, True), (3, True), (2, False)])
def test_heads_that_do_not_fit_are_refused(heads: int, residual: bool) -> None:
    words = f"heads is {heads}; it must divide the width of the backbone's map, 8, and be 1 in a plain block"
    with pytest.raises(ValueError, match=words):
        AlignedActivation(8, residual, 0.0, heads)


@torch.no_grad()
@pytest.mark.parametrize("pairs_at_once", [1, 10**6])
def test_attention_written_out(pairs_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "PAIRS_AT_ONCE", {"cpu": pairs_at_once})
    query, support = maps()
    share = torch.rand(1, 4, 2, 3, 3, dtype=torch.float64)
    pairwise, aligned = PairwiseActivation(8).double(), AlignedActivation(8, True, 0.2, heads=2).double()
    found = pairwise.attention(query, support, share), aligned.attention(query, support, share)
    for q, n, t in product(range(4), range(2), range(3)):
        own = pairwise.query.own(query[0, q, t]) / 8**0.5
        tables = [(own @ pairwise.query.other(support[0, n, frame]).T).softmax(-1) for frame in range(3)]
        mean = sum(share[0, q, n, t, frame] * table for frame, table in enumerate(tables)) / share[0, q, n, t].sum()
        torch.testing.assert_close(found[0][0, q, n, t], mean)
        own, other = aligned.query.own(query[0, q, t]), aligned.query.other(support[0, n, t])
        halves = [(own[:, part] @ other[:, part].T / 2).softmax(-1) for part in (slice(0, 4), slice(4, 8))]
        torch.testing.assert_close(found[1][0, q, n, t], sum(halves) / 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PairwiseActivation(8),
        lambda: AlignedActivation(8, True, 0.0),
        lambda: AlignedActivation(8, True, 0.0, 4),
    ],
)
@pytest.mark.parametrize("kind", ["frobenius", "squared_frobenius", "cosine"])
def test_chunks_and_batches_change_nothing(make, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = make().double()
    first, second = maps(seed=1), maps(seed=2)
    query, support = (torch.cat(pair) for pair in zip(first, second, strict=True))
    whole = module(query, support, kind)
    monkeypatch.setattr(activation, "PAIRS_AT_ONCE", {"cpu": 1})
    split = module(query, support, kind)
    torch.testing.assert_close(split, whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(module(*second, kind)[0], whole[1], rtol=1e-9, atol=1e-9)
    for ours, other in zip(
        gradients(split, module, (query, support)), gradients(whole, module, (query, support)), strict=True
    ):
        torch.testing.assert_close(ours, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("pairs_at_once", "calls"), [(4, 1), (3, 2 * 2), (1, 2 * 4)])
def test_several_chunks_are_computed_again_in_the_backward_pass_and_one_is_not(
    pairs_at_once: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation, "PAIRS_AT_ONCE", {"cpu": pairs_at_once})
    seen: list[int] = []

    def distance(query: Tensor, support: Tensor) -> Tensor:
        seen.append(query.shape[1])
        return (query.sum((3, 4))[:, :, None, :, None] - support.sum((3, 4))[:, None, :, None]).square()

    query, support = maps()
    activation.in_chunks(distance, (query,), (support,), pairs_of_query=1).sum().backward()
    assert len(seen) == calls
    assert max(seen) <= pairs_at_once


def test_dropout_in_a_chunk_is_the_same_when_it_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "PAIRS_AT_ONCE", {"cpu": 1})
    query, support = maps()
    module = AlignedActivation(8, residual=True, dropout=0.5).double().train()

    def distance(shift: float) -> Tensor:
        torch.manual_seed(3)
        return module(query + shift, support, "squared_frobenius").sum()

    gradient = torch.autograd.grad(distance(0.0), query)[0].sum()
    step = 1e-6
    slope = (distance(step) - distance(-step)) / (2 * step)
    torch.testing.assert_close(gradient, slope.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: PairwiseActivation(8), lambda: AlignedActivation(8, True, 0.0)])
def test_half_precision_maps_give_float32_distances(make) -> None:
    query, support = maps(torch.float32)
    module = make()
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(query.bfloat16(), support.bfloat16(), "frobenius")
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, module(query, support, "frobenius"), rtol=0.05, atol=0.05)


def test_equal_frames_have_finite_gradients() -> None:
    module = PairwiseActivation(8)
    module.support.load_state_dict(module.query.state_dict())
    query = torch.zeros(1, 1, 2, 5, 8, requires_grad=True)
    module(query, query, "frobenius").sum().backward()
    assert torch.isfinite(query.grad).all()
