"""Worker processes that outlive a crash: a task whose worker died is tried once more, alone; one that dies again has
failed, and no other task is lost. Decoders of damaged videos are known to end their process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

Make = Callable[[int], ProcessPoolExecutor]


class WorkerDied(Exception):
    """The process that worked on this task ended, twice, and it worked on nothing else the second time."""


@dataclass(frozen=True)
class _Task:
    outer: Future[Any]
    work: Callable[[], Any]


class Sturdy(Executor):
    """An Executor over `workers` processes that `make` makes, and makes anew when one of them ends."""

    def __init__(self, make: Make, workers: int) -> None:
        self._make, self._workers = make, workers
        self._pool = make(workers)
        # One at a time: who dies here died of this task and no other.
        self._queue = ThreadPoolExecutor(1)
        self._alone: ProcessPoolExecutor | None = None
        self._lock = RLock()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As `concurrent.futures` has it; the future fails with WorkerDied where the task ends its process."""
        task = _Task(Future(), partial(work, *args, **kwargs))
        with self._lock:
            try:
                inner = self._pool.submit(task.work)
            except BrokenProcessPool:
                self._renew(self._pool)
                inner = self._pool.submit(task.work)
            inner.add_done_callback(partial(self._landed, task, self._pool))
        return task.outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        with self._lock:
            pool, alone = self._pool, self._alone
        pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._queue.shutdown(wait=wait, cancel_futures=cancel_futures)
        if alone is not None:
            alone.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _landed(self, task: _Task, pool: ProcessPoolExecutor, inner: Future[Any]) -> None:
        if inner.cancelled():
            task.outer.cancel()
        elif isinstance(inner.exception(), BrokenProcessPool):
            self._renew(pool)
            self._queue.submit(self._again, task)
        else:
            _settle(task.outer, inner)

    def _renew(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = self._make(self._workers)

    def _again(self, task: _Task) -> None:
        if not task.outer.set_running_or_notify_cancel():
            return
        with self._lock:
            if self._alone is None:
                self._alone = self._make(1)
            pool = self._alone
        inner = pool.submit(task.work)
        if isinstance(inner.exception(), BrokenProcessPool):
            pool.shutdown()
            with self._lock:
                self._alone = None
            task.outer.set_exception(WorkerDied("the worker process ended while it worked on this alone"))
        else:
            _settle(task.outer, inner)


def _settle(outer: Future[Any], inner: Future[Any]) -> None:
    """What became of one future becomes of the other, unless that was cancelled meanwhile."""
    if not (outer.running() or outer.set_running_or_notify_cancel()):
        return
    error = inner.exception()
    if error is not None:
        outer.set_exception(error)
    else:
        outer.set_result(inner.result())
