"""ST-GCN with 40 % empty bodies, left out against computed: processor time of a training step and of evaluation.

Ten clips of two bodies, 30 frames of 25 joints, four blocks. Run it with
`pytest -m benchmark -s tests/benchmark/test_empty_bodies.py`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones._backbone import mean_of_present, present_bodies
from zoo.backbones.stgcn import Model, Options

ROUNDS = 7
FASTER = 1.5


def clips() -> Tensor:
    """Eight of ten clips have one body only: eight of twenty bodies are empty."""
    given = torch.randn(10, 2, 30, 25, 3, generator=torch.Generator().manual_seed(0))
    given[:8, 1] = 0
    return given


def backbone() -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 2, Options(blocks=4))


def dense(model: Model, given: Tensor) -> Tensor:
    """Every body is computed, and the mean taken over the present ones."""
    return mean_of_present(model.features(given), present_bodies(given))


def medians(works: tuple[Callable[[], object], Callable[[], object]]) -> tuple[float, float]:
    """Seconds of processor time of each work on one thread, measured in turn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: tuple[list[float], list[float]] = ([], [])
    for work in works:
        work()
    for _ in range(ROUNDS):
        for work, into in zip(works, seconds, strict=True):
            start = time.process_time()
            work()
            into.append(time.process_time() - start)
    torch.set_num_threads(threads)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def report(name: str, fast: float, slow: float) -> None:
    print(f"\n{name}, 40 % empty bodies: {slow * 1e3:.0f} ms -> {fast * 1e3:.0f} ms ({slow / fast:.2f} x)")
    assert slow / fast >= FASTER


@pytest.mark.benchmark
def test_training_step_is_faster() -> None:
    given, model, plain = clips(), backbone().train(), backbone().train()
    model.skip_empty = True

    def step(model: Model, forward: Callable[[Tensor], Tensor]) -> None:
        forward(given).square().mean().backward()
        model.zero_grad()

    works = lambda: step(model, model), lambda: step(plain, lambda given: dense(plain, given))
    report("training step", *medians(works))


@pytest.mark.benchmark
@torch.no_grad()
def test_evaluation_is_faster() -> None:
    given, model = clips(), backbone().eval()
    torch.testing.assert_close(model(given), dense(model, given), rtol=1e-4, atol=1e-4)
    report("evaluation", *medians((lambda: model(given), lambda: dense(model, given))))
