"""Draws any iterator of records that have `done` and `total`, with rate and remaining time: bars, or lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from prep.progress import Work

SECONDS_BETWEEN_LINES = 10.0


class Counted(Protocol):
    """A record of long work."""

    @property
    def done(self) -> int:
        """How much is done."""

    @property
    def total(self) -> int:
        """How much there is."""


RecordT = TypeVar("RecordT", bound=Counted)
T = TypeVar("T")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f}/s" if task.speed else "", style="dim")


class Meter:
    """On standard error: a bar per name in a terminal, elsewhere a line now and then. Quiet, nothing."""

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True)
        self._lines = not quiet and not sys.stderr.isatty()
        self._begun: dict[str, tuple[float, int]] = {}
        self._said = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def show(self, name: str, done: int, total: int, note: str = "") -> None:
        """Move the bar called `name`."""
        if self._lines:
            self._say(name, done, total, note)
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, completed=done, note=note)
            return
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)

    def _say(self, name: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        start, first = self._begun.setdefault(name, (now, done))
        if now - self._said < SECONDS_BETWEEN_LINES or done == first:
            return
        self._said = now
        rate = (done - first) / (now - start)
        left = timedelta(seconds=round((total - done) / rate))
        click.echo(f"{name}: {done:,} of {total:,}, {rate:,.1f}/s, {left} left  {note}".rstrip(), err=True)

    def watch(self, name: str) -> Callable[[int, int], None]:
        """`show` with the name filled in, for work that reports by calling."""
        return lambda done, total: self.show(name, done, total)

    def run(self, work: Work[T], name: str = "") -> T:
        """Run long work to its end, drawing its steps, and return what it makes; a step without a stage is `name`."""
        while True:
            try:
                step = next(work)
            except StopIteration as stop:
                made: T = stop.value
                return made
            self.show(step.stage or name, step.done, step.total, step.note)

    def track(self, name: str, records: Iterator[RecordT]) -> Iterator[RecordT]:
        """The same records, drawn as they pass."""
        for record in records:
            self.show(name, record.done, record.total)
            yield record


@contextmanager
def meter(quiet: bool) -> Iterator[Meter]:
    """Bars that are gone when the block ends."""
    drawn = Meter(quiet)
    with drawn._bars:
        yield drawn
