"""Both forms of DASTM's head against the pair-expanded originals: processor time and peak memory, side by side.

An episode of 5 ways, 1 shot and 10 queries per class; maps of 8 frames, 25 joints, 256 channels; forward and backward.
Run it with `pytest -m benchmark -s tests/benchmark/test_dastm_head.py`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_dastm as plain

from zoo.parts.activation import AlignedActivation, PairwiseActivation
from zoo.parts.soft_dtw import soft_dtw

ROUNDS = 3
FASTER, SMALLER = 6.0, 0.5


def head(form: str, way: str) -> Callable[[], float]:
    """One training step of the head: `form` pairwise (the paper) or aligned (the repository), `way` fast or plain."""
    torch.manual_seed(0)
    query = torch.randn(1, 50, 8, 25, 256, requires_grad=True)
    support = torch.randn(1, 5, 8, 25, 256, requires_grad=True)
    answer = torch.arange(5).repeat(10)
    module = PairwiseActivation(256) if form == "pairwise" else AlignedActivation(256, residual=True, dropout=0.0)
    kind = "frobenius" if form == "pairwise" else "cosine"
    literal = plain.pairwise if form == "pairwise" else plain.aligned

    def step() -> float:
        cost = module(query, support, kind) if way == "fast" else literal(query[0], support[0], module)[None]
        # Frobenius distances are large; the mean over frames keeps the softmax from being one-hot.
        loss = F.cross_entropy(-soft_dtw(cost, 0.1)[0] / 64, answer)
        loss.backward()
        return loss.item()

    return step


def peak(form: str, way: str) -> float:
    """Bytes that one step adds to the largest size of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmark.test_dastm_head", form, way]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=path).stdout)


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("form", ["pairwise", "aligned"])
def test_head_is_faster_and_smaller(form: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = {way: head(form, way) for way in ("fast", "plain")}
    losses = {way: step() for way, step in steps.items()}
    seconds: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(ROUNDS):
        for way, step in steps.items():
            start = time.process_time()
            step()
            seconds[way].append(time.process_time() - start)
    torch.set_num_threads(threads)
    median = {way: statistics.median(values) for way, values in seconds.items()}
    memory = {way: peak(form, way) for way in steps}
    speed, size = median["plain"] / median["fast"], memory["fast"] / memory["plain"]
    print(
        f"\nDASTM head, {form}: {median['plain']:.2f} s -> {median['fast']:.2f} s ({speed:.1f} x), "
        f"peak {memory['plain'] / 2**30:.2f} GB -> {memory['fast'] / 2**30:.2f} GB ({1 / size:.1f} x less)"
    )
    assert losses["fast"] == pytest.approx(losses["plain"], rel=1e-4)
    assert speed >= FASTER
    assert size <= SMALLER


def largest_size() -> int:
    """The most bytes this process has held. (`ru_maxrss` would begin with the parent's.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    work = head(sys.argv[1], sys.argv[2])
    before = largest_size()
    work()
    print(largest_size() - before)
