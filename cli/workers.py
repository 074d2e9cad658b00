"""Executors of concurrent.futures: processes of this machine, or an existing Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from cli.process_pool import IsolatedPool, TaskTimeout, WorkerDied

if TYPE_CHECKING:
    from prep.workers import Workers
    from zoo.experiment.recipe import Recipe
    from zoo.sweep.jobs import Outcome

# Seconds for one clip. A clip of NTU RGB+D takes 0.3 s; to reach the end of a ten-minute 1080p video that has no
# keyframes takes about 70 s.
TIMEOUT = 120.0
# Of a process that trains: it was asked to stop.
_STOPPING = threading.Event()


class ClusterError(Exception):
    """The requested cluster cannot be used; the text says what to install or start."""


@contextmanager
def building_workers(workers: int, scheduler: str = "") -> Iterator[Workers]:
    """Workers for a build: the cluster at `scheduler`, or processes of this machine.

    A single worker is a thread of this process, which a file that crashes its reader ends. The processes end with the
    block, also when an error or Ctrl-C leaves it.
    """
    from prep.workers import Workers

    if scheduler:
        with _cluster(scheduler) as cluster:
            yield cluster
    elif workers == 1:
        with ThreadPoolExecutor(1) as thread:
            yield Workers(thread, 1)
    else:
        pool = IsolatedPool(workers, initializer=_die_with_parent)
        try:
            yield Workers(pool, workers, (WorkerDied,))
        finally:
            pool.kill_workers()


@contextmanager
def _cluster(scheduler: str) -> Iterator[Workers]:
    from prep.workers import Workers

    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ClusterError("--scheduler needs Dask: pip install 'fewshot-skeleton[cluster]'.") from error
    # Errors are raised; Dask's log lines would break the progress bars.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"--scheduler {scheduler}: no Dask scheduler answers there ({error}).") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterError(f"--scheduler {scheduler}: the cluster has no workers. Start some with `dask worker`.")
        # Not pure: Dask would return the cached error of a failed task instead of running it again.
        pool = client.get_executor(pure=False)
        try:
            yield Workers(pool, threads, (KilledWorker,))
        except CancelledError as error:
            raise ClusterError(
                f"--scheduler {scheduler}: the scheduler is gone. Start one and run the same command; it continues."
            ) from error
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"--scheduler {scheduler}: a worker lacks a module of this program ({error}). "
                "Install the same version of fewshot-skeleton for every worker."
            ) from error
        finally:
            pool.shutdown(wait=False)


@contextmanager
def training_workers(workers: int) -> Iterator[Executor]:
    """Processes that train and share the threads of this one; one that crashes fails alone.

    A KeyboardInterrupt inside the block lets every run save a checkpoint at its next step (`train_in_worker`); a second
    one ends them at once.
    """
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS", "1")) // workers)
    pool = IsolatedPool(workers, initializer=partial(_begin_training, threads))
    try:
        yield pool
        pool.shutdown()
    except KeyboardInterrupt:
        pool.terminate_workers()
        pool.shutdown()
        raise
    finally:
        pool.kill_workers()


def train_in_worker(recipe: Recipe, store: str, device: str, runs: Path) -> Outcome:
    """`train_job` in a process of `training_workers`: SIGTERM stops it after a checkpoint."""
    import torch

    from cli.stopwatch import gauge
    from zoo.sweep.jobs import train_job

    return train_job(recipe, store, device, runs, _STOPPING.is_set, gauge(torch.device(device)))


def _begin_training(threads: int) -> None:
    """Worker: before torch is loaded."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGTERM, lambda signum, frame: _STOPPING.set())
    _die_with_parent()


@contextmanager
def decoding_workers(workers: int, scheduler: str = "", timeout: float = TIMEOUT) -> Iterator[Workers]:
    """Workers for tasks that may crash or hang: each such task fails alone. Even one worker is a process of its own.

    On a cluster a task that crashes its worker fails alone too, but there is no time-out.
    """
    from prep.workers import Workers

    if scheduler:
        with _cluster(scheduler) as cluster:
            yield cluster
    else:
        with _frequent_thread_switches():
            pool = IsolatedPool(workers, timeout, _die_with_parent)
            try:
                yield Workers(pool, workers, (WorkerDied,), (TaskTimeout,), timeout)
            finally:
                pool.kill_workers()


@contextmanager
def _frequent_thread_switches() -> Iterator[None]:
    """Let threads take turns ten times as often.

    A result of a megabyte comes through a pipe in pieces, and before each piece its thread waits for the interpreter
    lock. Beside a busy main thread a clip of 8 frames takes 22 ms instead of 4 ms at the default 5 ms, and 7 ms here.
    """
    default = sys.getswitchinterval()
    sys.setswitchinterval(default / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(default)


def _die_with_parent() -> None:
    """Worker: end when the parent process is killed, instead of running or waiting on."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
