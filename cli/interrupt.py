"""Ctrl-C that lets the current step finish: the first one is noted, the second one stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside the block the first SIGINT only sets what the given function returns; a second one interrupts."""
    noted = False

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True
        click.echo("Stopping after this step; Ctrl-C again stops at once.", err=True)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
