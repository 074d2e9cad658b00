"""The progress of long work on standard error: bars in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from manifests.text import plain
from prep.progress import Work

SECONDS_BETWEEN_LINES = 10.0
T = TypeVar("T")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(rate_in_words(task.speed) if task.speed else "", style="dim")


def rate_in_words(per_second: float) -> str:
    """A rate per second, minute or hour, whichever can be read.

    >>> rate_in_words(1234.5), rate_in_words(0.05), rate_in_words(1 / 3600)
    ('1,234.5/s', '3.0/min', '1.0/h')
    """
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_second * seconds >= 0.1:
            return f"{per_second * seconds:,.1f}/{unit}"
    return f"{per_second * 3600:,.1f}/h"


class Meter:
    """One bar per stage with count, rate and remaining time; lines with the same facts in a log; nothing if quiet."""

    def __init__(self, quiet: bool) -> None:
        terminal = sys.stderr.isatty()
        self._quiet = quiet
        self.remarks: list[str] = []  # the lines of the work, also of a quiet meter
        self._lines = not quiet and not terminal
        self._first: dict[str, tuple[float, int]] = {}
        self._last_line = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            disable=quiet or not terminal,
            transient=True,
            # A step may take minutes, such as a run of a sweep; rich's default forgets it after 30 seconds.
            speed_estimate_period=3600,
        )
        self._tasks: dict[str, Any] = {}

    def run(self, work: Work[T], name: str = "", scale: int = 1, interrupted: Callable[[], bool] = lambda: False) -> T:
        """Run long work to its end, show its steps, and return its result.

        A step without a stage is shown as `name`. Counts are divided by `scale`, for example bytes to kB by 1,000. Once
        `interrupted` is true, KeyboardInterrupt is raised inside the work at its next step, so that it can save.
        """
        while True:
            try:
                step = work.throw(KeyboardInterrupt()) if interrupted() else next(work)
            except StopIteration as stop:
                made: T = stop.value
                return made
            self.show(step.stage or name, step.done // scale, step.total // scale, step.note)
            if step.line:
                self.remarks.append(step.line)
            if step.line and not self._quiet:
                self._bars.console.print(plain(step.line), markup=False, highlight=False, soft_wrap=True)

    def show(self, name: str, done: int, total: int, note: str = "") -> None:
        """Move the bar `name`."""
        name, note = plain(name), plain(note)
        if self._lines:
            self._print_line(name, done, total, note)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, completed=done, note=note)
            return
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)

    def _print_line(self, name: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        start, first = self._first.setdefault(name, (now, done))
        # Before the second unit there is no rate; a note of a long first one says how far that is.
        if now - self._last_line < SECONDS_BETWEEN_LINES or (done <= first and not note):
            return
        self._last_line = now
        if done <= first:
            click.echo(f"{name}: {done:,} of {total:,}  {note}", err=True)
            return
        rate = (done - first) / (now - start)
        left = timedelta(seconds=round((total - done) / rate))
        click.echo(f"{name}: {done:,} of {total:,}, {rate_in_words(rate)}, {left} left  {note}".rstrip(), err=True)


@contextmanager
def meter(quiet: bool) -> Iterator[Meter]:
    """A meter whose bars disappear at the end of the block."""
    shown = Meter(quiet)
    with shown._bars:
        yield shown
