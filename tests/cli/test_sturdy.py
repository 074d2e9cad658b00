"""Worker processes that outlive a crash."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cli.sturdy import WorkerDied
from cli.workers import sturdy_executor


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"no {number}")


def die(number: int) -> int:
    os._exit(number)


def die_once(mark: str) -> str:
    path = Path(mark)
    if path.exists():
        return "lived"
    path.touch()
    os._exit(1)


def slow(number: int) -> int:
    time.sleep(0.2)
    return number


def test_one_crash_costs_one_task() -> None:
    with sturdy_executor(2) as (pool, at_once, died):
        futures = [pool.submit(die if number in (3, 7) else double, number) for number in range(12)]
        lost = [number for number, future in enumerate(futures) if isinstance(future.exception(timeout=120), died)]
        kept = [future.result() for number, future in enumerate(futures) if number not in (3, 7)]
        assert at_once == 2
        assert lost == [3, 7]
        assert kept == [2 * number for number in range(12) if number not in (3, 7)]
        assert pool.submit(double, 50).result(timeout=60) == 100


def test_a_task_that_was_only_near_a_crash_is_tried_again(tmp_path: Path) -> None:
    with sturdy_executor(1) as (pool, _, _):
        assert pool.submit(die_once, str(tmp_path / "mark")).result(timeout=60) == "lived"


def test_an_error_of_a_task_is_its_own_and_no_crash() -> None:
    with sturdy_executor(1) as (pool, _, died):
        error = pool.submit(fail, 5).exception(timeout=60)
        assert isinstance(error, ValueError)
        assert str(error) == "no 5"
        assert died == (WorkerDied,)


def test_leaving_waits_for_nothing_but_what_runs() -> None:
    begun = time.monotonic()
    with sturdy_executor(1) as (pool, _, _):
        futures = [pool.submit(slow, number) for number in range(600)]
        assert futures[0].result(timeout=60) == 0
    assert time.monotonic() - begun < 60
