"""Worker processes of one machine, behind concurrent.futures."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait


@contextmanager
def local_executor(workers: int) -> Iterator[Executor]:
    """An executor of `workers` processes; one worker needs no process of its own."""
    if workers == 1:
        with ThreadPoolExecutor(1) as executor:
            yield executor
        return
    # Spawned, not forked: the parent may hold threads of zarr and numba.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        yield pool


def _die_with_parent() -> None:
    """Worker: end when the parent is killed, rather than wait for work that never comes."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
