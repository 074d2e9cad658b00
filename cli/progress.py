"""Draws any iterator of records that have `done` and `total`: a bar with rate and remaining time, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Counted(Protocol):
    """A record of long work."""

    @property
    def done(self) -> int:
        """How much is done."""

    @property
    def total(self) -> int:
        """How much there is."""


RecordT = TypeVar("RecordT", bound=Counted)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f}/s" if task.speed else "", style="dim")


class Meter:
    """Bars on standard error; one per name. Quiet, or where that is no terminal, it draws nothing."""

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True)
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
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, completed=done, note=note)
            return
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)

    def watch(self, name: str) -> Callable[[int, int], None]:
        """`show` with the name filled in, for work that reports by calling."""
        return lambda done, total: self.show(name, done, total)

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
