"""Processor time of several works on one thread, measured in turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import jaxtyping
import torch


def cpu_seconds(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each work, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with one_thread():
        for number in range(rounds + 1):
            for name, work in works.items():
                start = time.process_time()
                work()
                if number:
                    seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, and shapes unchecked as outside tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        jaxtyping.config.update("jaxtyping_disable", False)


def milliseconds(seconds: float) -> str:
    """Three digits: `3.21 ms`, `54.3 ms`, `1,230 ms`."""
    value = 1e3 * seconds
    return f"{value:,.{max(0, 2 - (value >= 10) - (value >= 100))}f} ms"
