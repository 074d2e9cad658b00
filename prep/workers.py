"""Workers: where the tasks of long work run, and which errors say that a task ended its worker."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass


@dataclass(frozen=True)
class Workers:
    """An executor and how many tasks it runs at once.

    A task fails with an error in `died` when its worker process ended in every attempt, and with one in `timed_out`
    when it took longer than `timeout` seconds.
    """

    executor: Executor
    at_once: int
    died: tuple[type[Exception], ...] = ()
    timed_out: tuple[type[Exception], ...] = ()
    timeout: float = 0
