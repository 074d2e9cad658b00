"""Workers behind concurrent.futures: processes of one machine, or an existing Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

from cli.sturdy import Sturdy, WorkerDied


class ClusterError(Exception):
    """The cluster asked for cannot be used; the text says what to install or start."""


@contextmanager
def executor(workers: int, scheduler: str = "") -> Iterator[tuple[Executor, int]]:
    """An executor and how many tasks it works on at once: the cluster at `scheduler`, or processes of this machine."""
    if scheduler:
        with _cluster(scheduler) as found:
            yield found
    else:
        with local_executor(workers) as pool:
            yield pool, workers


@contextmanager
def _cluster(scheduler: str) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ClusterError("--scheduler needs Dask: pip install 'fewshot-skeleton[cluster]'.") from error
    # What goes wrong is raised; Dask's own lines would tear the bars.
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
        # Not pure: what a build that failed was told is not told again.
        pool = client.get_executor(pure=False)
        try:
            yield pool, threads
        except KilledWorker as error:
            raise ClusterError(
                f"--scheduler {scheduler}: one task ended worker after worker, perhaps for want of memory. "
                "Give the workers more, or look at their logs, and run the same command; it continues."
            ) from error
        except CancelledError as error:
            raise ClusterError(
                f"--scheduler {scheduler}: the scheduler is gone. Start one and run the same command; it continues."
            ) from error
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"--scheduler {scheduler}: a worker lacks what this program needs ({error}). "
                "Install the same version of fewshot-skeleton for every worker."
            ) from error
        finally:
            pool.shutdown(wait=False)


@contextmanager
def local_executor(workers: int) -> Iterator[Executor]:
    """An executor of `workers` processes; one worker needs no process of its own."""
    if workers == 1:
        with ThreadPoolExecutor(1) as executor:
            yield executor
        return
    with _processes(workers) as pool:
        yield pool


@contextmanager
def sturdy_executor(workers: int, scheduler: str = "") -> Iterator[tuple[Executor, int, tuple[type[Exception], ...]]]:
    """As `executor`, for tasks that may end their process: also the errors by which such a task is known.

    Even one worker is a process of its own.
    """
    if scheduler:
        with _cluster(scheduler) as (cluster, at_once):
            from distributed import KilledWorker

            yield cluster, at_once, (KilledWorker,)
    else:
        with _often_switched(), Sturdy(_processes, workers) as pool:
            try:
                yield pool, workers, (WorkerDied,)
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _often_switched() -> Iterator[None]:
    """Let threads take turns ten times as often.

    A result of a megabyte comes through a pipe in pieces, and before each its thread waits for the interpreter: with
    the usual 5 ms, a busy main thread makes 22 ms of 4 ms for a clip of 8 frames; so it makes 7.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _processes(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the parent may hold threads of zarr and numba.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent)


def _die_with_parent() -> None:
    """Worker: end when the parent is killed, rather than wait for work that never comes."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
