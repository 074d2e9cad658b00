"""A task that crashes its worker, or hangs, costs that task and no other; no future is left without an end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from pathlib import Path

import pytest

from cli.process_pool import IsolatedPool, TaskTimeout, WorkerDied
from cli.workers import TIMEOUT, decoding_workers

ROOT = Path(__file__).resolve().parents[2]


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"no {number}")


def crash(number: int) -> int:
    os.kill(os.getpid(), signal.SIGSEGV if number % 2 else signal.SIGKILL)
    return number


def crash_once(marker: str) -> str:
    path = Path(marker)
    if path.exists():
        return "survived"
    path.touch()
    os._exit(1)


def hang(number: int) -> int:
    time.sleep(3600)
    return number


def slow(number: int) -> int:
    time.sleep(0.2)
    return number


def worker_pid() -> int:
    return os.getpid()


def megabyte(number: int) -> tuple[int, bytes]:
    return number, bytes(1_200_000)


class Unpicklable(Exception):
    """Can be pickled and not unpickled: the usual mistake of an exception with two arguments."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def unpicklable_error() -> None:
    raise Unpicklable(1, 2)


def unpicklable_result() -> object:
    return lambda: None


def test_a_crash_costs_one_task() -> None:
    with decoding_workers(2) as workers:
        submit = workers.executor.submit
        futures = [submit(crash if number in (3, 8) else double, number) for number in range(12)]
        failed = [n for n, future in enumerate(futures) if isinstance(future.exception(timeout=120), workers.died)]
        results = [future.result() for number, future in enumerate(futures) if number not in (3, 8)]
        assert workers.at_once == 2
        assert failed == [3, 8]
        assert results == [2 * number for number in range(12) if number not in (3, 8)]
        assert submit(double, 50).result(timeout=60) == 100


@pytest.mark.slow
def test_a_task_that_hangs_costs_one_task_and_its_worker_ends() -> None:
    with decoding_workers(2, timeout=3) as workers:
        futures = [workers.executor.submit(hang if number == 2 else double, number) for number in range(8)]
        error = futures[2].exception(timeout=60)
        assert isinstance(error, workers.timed_out)
        assert str(error) == "took longer than 3 s"
        assert [future.result(timeout=60) for future in futures if future is not futures[2]] == [0, 2, 6, 8, 10, 12, 14]
        # One at most for each worker: the one that hung is gone.
        assert len(active_children()) <= 2


@pytest.mark.slow
def test_many_lost_tasks_and_no_other() -> None:
    kinds = {0: crash, 2: hang, 5: fail, 7: crash}
    expected = {crash: WorkerDied, hang: TaskTimeout, fail: ValueError, double: type(None)}
    # Three seconds: a new worker imports this file within the time of its first task.
    with IsolatedPool(2, timeout=3) as pool:
        futures = [pool.submit(kinds.get(number % 10, double), number) for number in range(30)]
        assert not wait(futures, timeout=200).not_done
        for number, future in enumerate(futures):
            kind = kinds.get(number % 10, double)
            assert type(future.exception()) is expected[kind], number
            assert kind is not double or future.result() == 2 * number


def test_an_idle_worker_may_be_killed() -> None:
    with IsolatedPool(1) as pool:
        for _ in range(2):
            os.kill(pool.submit(worker_pid).result(timeout=60), signal.SIGKILL)
            assert pool.submit(double, 4).result(timeout=60) == 8
        # Also where the task after it crashes: with the pool's own second worker gone this one never ended.
        os.kill(pool.submit(worker_pid).result(timeout=60), signal.SIGKILL)
        assert isinstance(pool.submit(crash, 1).exception(timeout=60), WorkerDied)
        assert pool.submit(double, 5).result(timeout=60) == 10


@pytest.mark.slow
def test_random_kills_lose_no_future() -> None:
    draw, killed = random.Random(0), 0
    with IsolatedPool(3, timeout=30) as pool:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            futures = [pool.submit(megabyte, number) for number in range(100)]
            while wait(futures, timeout=draw.uniform(0.05, 0.2)).not_done:
                for child in active_children()[:1]:
                    child.kill()
                    killed += 1
                assert time.monotonic() < end + 60, "a future never ended"
            for number, future in enumerate(futures):
                error = future.exception()
                assert error is None or isinstance(error, WorkerDied)
                assert error or future.result()[0] == number
    assert killed > 50


def test_a_task_whose_worker_died_once_is_tried_again(tmp_path: Path) -> None:
    with IsolatedPool(1) as pool:
        assert pool.submit(crash_once, str(tmp_path / "marker")).result(timeout=60) == "survived"


def test_an_error_of_a_task_is_its_own_and_carries_its_traceback() -> None:
    with decoding_workers(1) as workers:
        error = workers.executor.submit(fail, 5).exception(timeout=60)
        assert type(error) is ValueError
        assert str(error) == "no 5"
        assert "in fail" in error.__notes__[0]
        assert (workers.died, workers.timed_out, workers.timeout) == ((WorkerDied,), (TaskTimeout,), TIMEOUT)


def test_what_cannot_be_pickled_fails_alone() -> None:
    with IsolatedPool(1) as pool:
        assert pool.submit(lambda: 1).exception(timeout=60) is not None
        assert isinstance(pool.submit(unpicklable_error).exception(timeout=60), TypeError)
        assert pool.submit(unpicklable_result).exception(timeout=60) is not None
        assert pool.submit(double, 1).result(timeout=60) == 2


def test_cancelled_tasks_do_not_run(tmp_path: Path) -> None:
    with IsolatedPool(1) as pool:
        running = pool.submit(slow, 1)
        waiting = pool.submit(crash_once, str(tmp_path / "marker"))
        assert waiting.cancel()
        assert running.result(timeout=60) == 1
    assert not (tmp_path / "marker").exists()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(double, 1)


def test_shutdown_finishes_what_was_submitted_unless_it_cancels() -> None:
    pool = IsolatedPool(2)
    futures = [pool.submit(double, number) for number in range(6)]
    pool.shutdown()
    assert [future.result(timeout=0) for future in futures] == [0, 2, 4, 6, 8, 10]
    pool = IsolatedPool(1)
    futures = [pool.submit(slow, number) for number in range(600)]
    assert futures[0].result(timeout=60) == 0
    pool.shutdown(cancel_futures=True)
    assert all(future.done() for future in futures)
    assert futures[-1].cancelled()


def test_leaving_ends_a_task_that_hangs() -> None:
    start = time.monotonic()
    with decoding_workers(1) as workers:
        assert workers.executor.submit(double, 1).result(timeout=60) == 2
        hung, waiting = workers.executor.submit(hang, 1), workers.executor.submit(double, 1)
        while not hung.running():
            time.sleep(0.01)
    assert time.monotonic() - start < 60
    assert isinstance(hung.exception(timeout=1), WorkerDied)
    assert waiting.cancelled()
    assert not active_children()


LEAVING = """
import multiprocessing
from cli.workers import decoding_workers

def keep_lock():
    global lock
    lock = multiprocessing.Lock()

if __name__ == "__main__":
    with decoding_workers(2) as workers:
        for locked in [workers.executor.submit(keep_lock) for _ in range(4)]:
            locked.result(timeout=60)
"""


def test_idle_workers_end_in_order_and_leave_no_semaphores(tmp_path: Path) -> None:
    """Libraries make semaphores in workers. The resource tracker, which has the same stderr, warns of those left."""
    script = tmp_path / "leaving.py"
    script.write_text(LEAVING)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""


def slow_start() -> None:
    time.sleep(30)


def test_workers_that_are_asked_to_end_while_they_start_run_no_task(tmp_path: Path) -> None:
    """Their tasks are not tried again by workers that nobody has asked."""
    pool = IsolatedPool(2, initializer=slow_start)
    futures = [pool.submit(crash_once, str(tmp_path / "marker")) for _ in range(3)]
    while len(active_children()) < 2:
        time.sleep(0.01)
    pool.terminate_workers()
    pool.shutdown()
    assert [future.cancelled() or isinstance(future.exception(), WorkerDied) for future in futures] == [True] * 3
    assert not (tmp_path / "marker").exists()
    assert not active_children()


def test_a_process_is_started_with_interrupts_blocked() -> None:
    with IsolatedPool(1) as pool:
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result(timeout=60)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def broken_start() -> None:
    os._exit(3)


def test_workers_that_never_start_fail_their_tasks() -> None:
    with IsolatedPool(1, initializer=broken_start) as pool:
        error = pool.submit(double, 1).exception(timeout=60)
        assert isinstance(error, WorkerDied)
        assert not isinstance(error, BrokenProcessPool)
