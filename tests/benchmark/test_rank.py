"""Rank measures of all frames at once against the loop over clips and frames: processor time, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from helpers import plain_dastm as plain
from torch import Tensor

from zoo.parts.rank import batch_nuclear_surrogate, nuclear_norm

ROUNDS = 9
PAIRS = {"surrogate": (batch_nuclear_surrogate, plain.surrogate), "nuclear": (nuclear_norm, plain.nuclear)}
FASTER = 10.0


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(PAIRS))
def test_rank_is_faster(name: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    maps = torch.randn(60, 8, 25, 256, requires_grad=True)

    def step(measure: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.autograd.grad(measure(maps).mean(), maps)[0]

    torch.testing.assert_close(step(PAIRS[name][0]), step(PAIRS[name][1]), rtol=1e-3, atol=1e-7)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for measure, into in zip(PAIRS[name], seconds, strict=True):
            start = time.process_time()
            step(measure)
            into.append(time.process_time() - start)
    torch.set_num_threads(threads)
    fast, slow = (statistics.median(values) for values in seconds)
    print(f"\nrank, {name}, 480 frames: {slow * 1e3:.0f} ms -> {fast * 1e3:.1f} ms ({slow / fast:.1f} x)")
    assert slow / fast >= FASTER
