"""A process pool in which a task that crashes its worker, or hangs, fails alone: decoders of damaged videos do both.

Every worker process has a thread and a pipe of its own, so its death is the end of its own pipe and nothing else.
`concurrent.futures.ProcessPoolExecutor` gives up all tasks when one worker dies and has no time-outs. pebble 5.2 has
them, but its workers share one pipe and one lock: measured with results of 1.2 MB, it refused every further task after
an idle worker was killed, and stalled for a minute or for ever after one was killed while it sent a result.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any

# An operating system may kill a worker for want of memory, which is not the fault of its task.
ATTEMPTS = 2
# Seconds to wait for a killed process. One that waits for a lost network file system cannot be killed.
REAP = 5.0
# Processes are started one after another: `multiprocessing` does not promise that threads may do so at once.
_STARTING = threading.Lock()


class WorkerDied(Exception):
    """The worker process ended while it ran this task, in every attempt."""


class TaskTimeout(Exception):
    """The task ran for longer than the pool's time-out; its worker was killed."""


@dataclass(frozen=True)
class _Task:
    future: Future[Any]
    call: Callable[[], Any]


class IsolatedPool(Executor):
    """An Executor of `workers` spawned processes in which every future ends, whatever happens to the workers.

    A task fails with TaskTimeout after `timeout` seconds (None: never), and with WorkerDied when its worker ends in
    each of two attempts. `initializer` runs first in every worker.
    """

    def __init__(
        self, workers: int, timeout: float | None = None, initializer: Callable[[], None] | None = None
    ) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        # Set for good: no task is begun, or tried again, once the workers are asked to end.
        self._closed = self._ending = False
        self._timeout = timeout
        self._workers = [_Worker(initializer) for _ in range(workers)]
        self._threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule `fn(*args, **kwargs)`. The future can be cancelled until a worker begins with it."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._tasks.put(_Task(future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks and end the workers after those that are scheduled, or after those that run."""
        with self._lock:
            first, self._closed = not self._closed, True
        if cancel_futures:
            self._cancel()
        if first:
            for _ in self._threads:
                self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill_workers(self) -> None:
        """Shut down at once: running tasks fail with WorkerDied and the others are cancelled.

        Idle workers end by themselves: a killed one leaves semaphores, of which the resource tracker warns.
        """
        self._ending = True
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            if worker.busy:
                worker.kill()
        self.shutdown()

    def terminate_workers(self) -> None:
        """Begin no further task and send SIGTERM to every worker.

        Its initializer may have installed a handler that ends its task early. A worker that has none yet ends.
        """
        self._ending = True
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.terminate()

    def _cancel(self) -> None:
        """Cancel all tasks that no worker has begun."""
        ends = 0
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                break
            if task is None:
                ends += 1
            else:
                task.future.cancel()
                task.future.set_running_or_notify_cancel()
        for _ in range(ends):
            self._tasks.put(None)

    def _serve(self, worker: _Worker) -> None:
        """Thread: run task after task in one worker."""
        while (task := self._tasks.get()) is not None:
            if not task.future.set_running_or_notify_cancel():
                continue
            try:
                task.future.set_result(self._attempt(worker, pickle.dumps(task.call)))
            except Exception as error:
                task.future.set_exception(error)
            # A result may be large, and the next task may be long in coming.
            del task
        worker.stop()

    def _attempt(self, worker: _Worker, call: bytes) -> Any:
        for _ in range(ATTEMPTS):
            try:
                succeeded, value = pickle.loads(worker.run(call, self._timeout, lambda: self._ending))
            except WorkerDied:
                if self._ending:
                    break
            else:
                if succeeded:
                    return value
                raise value
        raise WorkerDied("the worker process ended while it ran this task")


class _Worker:
    """One process, started when it is needed, and this end of the pipe to it."""

    def __init__(self, initializer: Callable[[], None] | None) -> None:
        self._initializer = initializer
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self.busy = False

    def run(self, call: bytes, timeout: float | None, ending: Callable[[], bool]) -> bytes:
        """A pickled callable to its pickled outcome. Raises WorkerDied, TaskTimeout."""
        self.busy = True
        try:
            pipe = self._started()
            # A signal that was sent before the process was known here has not reached it.
            if ending():
                raise EOFError
            pipe.send_bytes(call)
            if pipe.poll(timeout):
                return pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self._discard()
            raise WorkerDied from error
        finally:
            self.busy = False
        self._discard()
        raise TaskTimeout(f"took longer than {timeout:g} s")

    def kill(self) -> None:
        """End the process, from any thread."""
        process = self._process
        if process is not None:
            process.kill()

    def terminate(self) -> None:
        """Send SIGTERM, from any thread."""
        process = self._process
        if process is not None:
            process.terminate()

    def stop(self) -> None:
        """End the process after its task."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(REAP)
        self._discard()

    def _started(self) -> Connection:
        if self._process is None or self._pipe is None or not self._process.is_alive():
            self._discard()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, self._initializer), daemon=True)
            with _STARTING, theirs, interrupts_blocked():
                process.start()
            self._process = process
            # The time-out of the first task does not include this start.
            self._pipe.recv_bytes()
        return self._pipe

    def _discard(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if process is not None:
            process.kill()
            process.join(REAP)
        if pipe is not None:
            pipe.close()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Inside the block this thread, and a process that it starts, gets no SIGINT.

    Ctrl-C in a terminal goes to all processes of a command. One that is still starting would end with a traceback.
    """
    # Its start unblocks SIGINT in the thread that starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, initializer: Callable[[], None] | None) -> None:
    """Process: run what comes through the pipe until its other end is closed."""
    # The parent decides what an interrupt at the keyboard ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if initializer is not None:
        initializer()
    pipe.send_bytes(b"ready")
    while True:
        try:
            call = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(_outcome(call))


def _outcome(call: bytes) -> bytes:
    """Pickled (True, result) or (False, exception)."""
    try:
        return pickle.dumps((True, pickle.loads(call)()))
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        error.add_note(trace)
        try:
            return pickle.dumps((False, error))
        except Exception:
            return pickle.dumps((False, RuntimeError(trace)))
