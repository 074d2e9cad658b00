"""PAINet's cross attention against its plain form, and its whole step against DASTM's; processor time on one thread.

An episode of 5 ways and 5 shots on NTU's 25 joints. The plain form projects each frame once; the rest is one einsum per
line. The steps have ST-GCN of 10 blocks, 30 frames and two present bodies; PAINet's has early fusion of three streams.
They and their peaks are measured in a process of their own, with what `fszoo` sets for memory: glibc's own setting
needs some 3 GB more, and the time of the page faults moves from one step to the other.
Run it with `pytest -m benchmark -s tests/benchmark/test_painet.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import plain_painet as plain
from helpers.interleaved import cpu_seconds, milliseconds
from helpers.learners import episode_of
from helpers.peak import largest_size
from torch import Tensor

from cli import memory
from manifests.facts import layout
from zoo.experiment.prepare import make_learner
from zoo.experiment.resolve import resolve
from zoo.learner import Known
from zoo.parts.spatial_attention import CrossAttention, Relations

ROUNDS, QUERIES, STEPS = 2, (5, 10), ("dastm", "painet")
# PAINet's step may cost so many of DASTM's, and a step with 10 queries of each class so many bytes.
MOST, LARGEST = 2.0, 6 * 2**30
# How many times as fast as the plain form the cross attention must be; two thirds of what was measured.
AT_LEAST = 2.1


def cross() -> CrossAttention:
    torch.manual_seed(0)
    return CrossAttention(256, Relations(layout("ntu25"), part=True, semantic=True, reading="pool"))


def ours(query: Tensor, support: Tensor, module: CrossAttention) -> tuple[Tensor, Tensor]:
    of_query, of_support = module(query[None], support[None])
    return of_query[0], of_support[0]


def attention_step(way: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[], None]:
    module = cross()
    query, support = (torch.randn(25, 8, 25, 256, requires_grad=True) for _ in range(2))

    def step() -> None:
        sum(side.square().mean() for side in way(query, support, module)).backward()

    return step


def training_step(name: str, queries: int) -> Callable[[], None]:
    recipe = resolve(name, settings=["task.shot=5"])
    learner = make_learner(recipe, layout("ntu25"), (2, 25, 3), Known(layout("ntu25"), frames=30)).train()
    channels = 3 * len(recipe.data.streams)
    answer = torch.arange(5).repeat_interleave(queries)[None]
    episode = episode_of(
        torch.randn(1, 5, 5, 2, 30, 25, channels), torch.randn(1, 5 * queries, 2, 30, 25, channels), answer
    )
    return lambda: learner.losses(episode).total.backward()


def test_both_forms_have_the_same_frames_and_gradients() -> None:
    module, found = cross().double(), []
    for way in (ours, plain.cross_batched):
        torch.manual_seed(1)
        query, support = (torch.randn(n, 2, 25, 256, dtype=torch.float64, requires_grad=True) for n in (3, 2))
        sides = way(query, support, module)
        found.append((*sides, *torch.autograd.grad(sum(side.square().sum() for side in sides), (query, support))))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-9)


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_cross_attention_is_faster() -> None:
    seconds = cpu_seconds({"plain": attention_step(plain.cross_batched), "ours": attention_step(ours)}, ROUNDS)
    ratio = seconds["plain"] / seconds["ours"]
    words = ", ".join(f"{way} {milliseconds(value)}" for way, value in seconds.items())
    print(f"\ncross attention, 25 queries: {words}, {ratio:.1f}x")
    assert ratio >= AT_LEAST


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("queries", QUERIES)
def test_step_costs_at_most_two_of_dastm(queries: int) -> None:
    seconds = dict(zip(STEPS, map(float, measured(*STEPS, str(queries))[:-1]), strict=True))
    ratio = seconds["painet"] / seconds["dastm"]
    words = ", ".join(f"{name} {milliseconds(value)}" for name, value in seconds.items())
    print(f"\nstep of 5-way 5-shot, {queries} queries of each class: {words}, {ratio:.2f}x")
    assert ratio <= MOST


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STEPS)
def test_step_fits_into_memory(name: str) -> None:
    peak = int(measured(name, str(max(QUERIES)))[-1])
    print(f"\npeak of a step of {name}, {max(QUERIES)} queries of each class: {peak / 2**30:.2f} GiB")
    assert peak <= LARGEST


def measured(*given: str) -> list[str]:
    """The words that this file prints for these arguments: methods, then the queries of each class."""
    command = [sys.executable, "-m", "tests.benchmark.test_painet", *given]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=path).stdout.split()


if __name__ == "__main__":
    memory.configure()
    seconds = cpu_seconds({name: training_step(name, int(sys.argv[-1])) for name in sys.argv[1:-1]}, ROUNDS)
    print(*seconds.values(), largest_size())
