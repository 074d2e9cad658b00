"""The fuzzing loop: broken inputs in, a result or an error of our own out, in bounded time and memory."""

from __future__ import annotations

import random
import resource
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from prep.clip import Recording
from prep.errors import BadFile
from prep.formats import FindResult

# For each byte of text, a list of empty lists takes 24 bytes of memory, an opened bracket 64, a pickle up to 150.
# Python's table of interned strings grows by megabytes at once, after some thousand inputs.
BYTES_PER_BYTE, FIXED_BYTES = 200, 8 * 2**20
# Deflate compresses up to a thousand to one.
BYTES_PER_COMPRESSED_BYTE = 4_000
SLOWEST = 5.0
FEW = 120


@dataclass(frozen=True)
class Target:
    """One reader under test: `make` makes a broken input, `read` reads it, and may raise `errors` only."""

    make: Callable[[random.Random], bytes]
    read: Callable[[bytes], Any]
    errors: type[Exception] = BadFile
    bytes_per_byte: int = BYTES_PER_BYTE
    share: float = 1.0  # of FUZZ_INPUTS; less for slow readers


def fuzz(name: str, target: Target, inputs: int) -> dict[str, int]:
    """The number of accepted and of refused inputs. Any other outcome fails the test and shows the input."""
    counts = {"accepted": 0, "refused": 0}
    slowest = hungriest = most = 0.0
    with suppress(target.errors):
        target.read(target.make(random.Random(name)))  # compiles, imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start_all = time.perf_counter()
    tracemalloc.start()
    try:
        for number in range(inputs):
            data = target.make(random.Random(f"{name}/{number}"))
            tracemalloc.reset_peak()
            before_input, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            try:
                counts["accepted" if is_accepted(target.read(data)) else "refused"] += 1
            except target.errors as error:
                counts["refused"] += 1
                _check_length(str(error))
            except Exception as error:
                raise AssertionError(f"input {number} of {name} raised {error!r}: {data[:2_000]!r}") from error
            taken, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1] - before_input
            slowest, most, hungriest = max(slowest, taken), max(most, peak), max(hungriest, peak / (len(data) + 1000))
            allowed = target.bytes_per_byte * len(data) + FIXED_BYTES
            assert peak <= allowed, f"input {number} of {name}, {len(data)} bytes, took {peak}: {data[:2_000]!r}"
            assert taken <= SLOWEST, f"input {number} of {name} took {taken} s: {data[:2_000]!r}"
    finally:
        tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 * 1024, f"{name}: the process grew by {grown} kB"
    print(
        f"\n{name:15} {inputs:7,} inputs: {counts['accepted']:6,} accepted, {counts['refused']:7,} refused, 0 crashes, "
        f"{time.perf_counter() - start_all:4.0f} s, slowest {1000 * slowest:5.1f} ms; "
        f"memory: most {most / 2**20:5.2f} MiB, {hungriest:4.0f} bytes a byte (+ 1 kB), process + {grown / 1024:.0f}",
        flush=True,
    )
    return counts


def _check_length(reason: str) -> None:
    assert 10 < len(reason) < 2_000, reason


def is_accepted(result: Any) -> bool:
    """True if a reader refused nothing; a recording must be consistent, however odd its file is."""
    if isinstance(result, FindResult):
        for _, reason in result.bad:
            _check_length(reason)
        return not result.bad
    if isinstance(result, Recording):
        assert len(result.body_id) == len(result.joints) == result.bodies_per_frame.sum()
        assert (result.bodies_per_frame >= 0).all()
        assert not np.isinf(result.joints).any()
        assert result.joints.dtype == np.float32
    return True
