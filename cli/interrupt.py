"""Ctrl-C: one line instead of a traceback, and a training that finishes its step before it stops."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

STATUS = 130  # as shells report a program that SIGINT ended
# Seconds after which an interrupt that a library swallowed is raised again: by then its callback has returned.
AGAIN = 0.1


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside the block SIGINT ends the program with one line and status 130, whatever a parent or library does with it.

    A shell without job control starts its background commands with SIGINT ignored; Python then keeps it ignored. A
    KeyboardInterrupt in a destructor or a callback of a C library is printed and dropped by Python; here it is raised
    again. One inside the import of a C extension may leave it as another error.
    """
    interrupted = False

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    def dropped(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            hook(unraisable)
            return
        timer = threading.Timer(AGAIN, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        timer.daemon = True
        timer.start()

    before, hook = signal.signal(signal.SIGINT, interrupt), sys.unraisablehook
    sys.unraisablehook = dropped
    try:
        yield
    except KeyboardInterrupt:
        _stop()
    except Exception:
        if not interrupted:
            raise
        _stop()
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)


def _stop() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    click.echo("Stopped. Run the same command; it continues.", err=True)
    sys.exit(STATUS)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside the block the first SIGINT only sets what the given function returns; a second one interrupts."""
    noted = False

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True
        # Not through sys.stderr: Python refuses a write inside a write, which the signal may have interrupted.
        with suppress(OSError):
            os.write(2, b"Stopping after this step; Ctrl-C again stops at once.\n")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
