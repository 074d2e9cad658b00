"""DASTM's head and NGM's against the literal form and the best plain one, which projects each frame once.

An episode of 5 ways and 1 shot; maps of 8 frames, 25 joints, 256 channels; forward and backward, processor time on one
thread, and peak memory of one step in a process of its own. `pairwise` is the paper's form (recipe dastm: 1 query of
each class), `aligned` the repository's with its dropout of 0.2 (recipe dastm_official: 10), `four_heads` the same with
4 heads. NGM projects each frame once in its literal form already, so it has no second one.
Run it with `pytest -m benchmark -s tests/benchmark/test_dastm_head.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_dastm as plain
from helpers.interleaved import cpu_seconds, milliseconds
from helpers.learners import GivenMaps
from helpers.peak import largest_size
from torch import Tensor, nn

from zoo.methods import ngm
from zoo.parts.activation import AlignedActivation, PairwiseActivation
from zoo.parts.soft_dtw import soft_dtw

ROUNDS, DROPOUT = 3, 0.2
PLAIN = {
    ("pairwise", "literal"): plain.pairwise,
    ("pairwise", "projected"): plain.pairwise_projected,
    ("aligned", "literal"): plain.aligned,
    ("aligned", "projected"): plain.aligned_projected,
    ("four_heads", "literal"): plain.aligned,
    ("four_heads", "projected"): plain.aligned_projected,
}
# (form, queries of each class): how many times as fast as the literal and the projected form it must be, and how many
# times smaller than the projected one; two thirds of what was measured.
LIMITS = {
    ("pairwise", 1): (9.8, 1.6, 1.4),
    ("pairwise", 10): (11.8, 1.6, 2.8),
    ("aligned", 1): (2.8, 0.95, 1.05),
    ("aligned", 10): (2.5, 1.05, 1.9),
    # The output's linear map is applied once per frame and head rather than per pair, which pays from 5 classes on.
    ("four_heads", 1): (3.0, 0.55, 0.45),
    ("four_heads", 10): (4.0, 0.8, 0.8),
}
WAYS = ("literal", "projected", "ours")


def activation(form: str, dropout: float) -> nn.Module:
    torch.manual_seed(0)
    if form == "pairwise":
        return PairwiseActivation(256)
    return AlignedActivation(256, residual=True, dropout=dropout, heads=4 if form == "four_heads" else 1)


def distances(form: str, way: str, module: nn.Module, query: Tensor, support: Tensor) -> Tensor:
    """(Q, N, T, T) by one of WAYS."""
    if way == "ours":
        return module(query[None], support[None], "frobenius" if form == "pairwise" else "cosine")[0]
    return PLAIN[form, way](query, support, module)


def head(form: str, way: str, queries: int) -> Callable[[], float]:
    """One training step of the head, which gives its loss; the alignment is the same soft-DTW in all."""
    torch.manual_seed(0)
    query = torch.randn(5 * queries, 8, 25, 256, requires_grad=True)
    support = torch.randn(5, 8, 25, 256, requires_grad=True)
    answer, module = torch.arange(5).repeat(queries), activation(form, DROPOUT)

    def step() -> float:
        # Frobenius distances are large; the mean over frames keeps the softmax from being one-hot.
        cost = distances(form, way, module, query, support)
        loss = F.cross_entropy(-soft_dtw(cost, 0.1) / 64, answer)
        loss.backward()
        return loss.item()

    return step


def ngm_head(way: str, queries: int) -> Callable[[], float]:
    """One training step of NGM's head; the literal one attends as its equations have it and aligns thrice."""
    torch.manual_seed(0)
    query = torch.randn(1, 5 * queries, 8, 25, 256, requires_grad=True)
    support = torch.randn(1, 5, 1, 8, 25, 256, requires_grad=True)
    answer, method = torch.arange(5).repeat(queries), ngm.Model(GivenMaps(256), ngm.Options(gamma=0.1))

    def literal() -> Tensor:
        frames = [
            plain.attend(maps, maps, method.block, residual=True).flatten(2) for maps in (query[0], support[0, :, 0])
        ]
        between = plain.cosine(frames[0][:, None], frames[1])
        of_itself = [soft_dtw(plain.cosine(maps, maps), 0.1) for maps in frames]
        return (of_itself[0][:, None] + of_itself[1]) / 2 - soft_dtw(between, 0.1)

    def step() -> float:
        loss = F.cross_entropy(method.score(support, query)[0] if way == "ours" else literal(), answer)
        loss.backward()
        return loss.item()

    return step


def peak(form: str, way: str, queries: int) -> float:
    """Bytes that one step adds to the largest size of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmark.test_dastm_head", form, way, str(queries)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=path).stdout)


@pytest.mark.parametrize("form", ["pairwise", "aligned", "four_heads"])
@pytest.mark.slow
def test_all_ways_have_the_same_distances_and_gradients(form: str) -> None:
    module = activation(form, dropout=0.0)
    found = {}
    for way in WAYS:
        torch.manual_seed(1)
        query, support = (torch.randn(count, 3, 25, 256, requires_grad=True) for count in (4, 2))
        cost = distances(form, way, module, query, support)
        found[way] = (cost, *torch.autograd.grad(cost.square().sum(), (query, support)))
    for way in ("literal", "projected"):
        torch.testing.assert_close(found[way], found["ours"], rtol=1e-3, atol=1e-4)


@pytest.mark.benchmark
@pytest.mark.parametrize("queries", [1, 10])
def test_ngm_is_not_slower_than_written_out(queries: int) -> None:
    seconds = cpu_seconds({way: ngm_head(way, queries) for way in ("literal", "ours")}, 5)
    print(
        "\n| NGM head | literal | ours | ours against it |\n|---|---|---|---|\n"
        f"| {queries} of each class | {milliseconds(seconds['literal'])} | {milliseconds(seconds['ours'])} | "
        f"{seconds['literal'] / seconds['ours']:.2f} x |"
    )
    assert seconds["literal"] / seconds["ours"] >= 1


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("form", "queries"), list(LIMITS))
def test_head_is_faster_and_smaller(form: str, queries: int) -> None:
    seconds = cpu_seconds({way: head(form, way, queries) for way in WAYS}, ROUNDS)
    memory = {way: peak(form, way, queries) for way in WAYS}
    ratios = {way: seconds[way] / seconds["ours"] for way in WAYS}
    smaller = memory["projected"] / memory["ours"]
    cells = (f"{milliseconds(seconds[way])}, {memory[way] / 2**20:,.0f} MB" for way in WAYS)
    print(
        "\n| DASTM head | literal | projects each frame once | ours | ours against both |\n|---|---|---|---|---|\n"
        f"| {form}, {queries} of each class | {' | '.join(cells)} | "
        f"{ratios['literal']:.1f} x, {ratios['projected']:.1f} x; {smaller:.1f} x smaller than the second |"
    )
    literal, projected, size = LIMITS[form, queries]
    assert ratios["literal"] >= literal
    assert ratios["projected"] >= projected
    assert smaller >= size


if __name__ == "__main__":
    work = head(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    before = largest_size()
    work()
    print(largest_size() - before)
