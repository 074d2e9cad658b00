"""Long work is a generator: it yields a `Step` now and then, and returns its result."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """Progress of long work: `done` of `total` units of `stage`.

    `note` stands beside the bar until the next step; `line` is printed and stays.
    """

    done: int
    total: int
    stage: str = ""
    note: str = ""
    line: str = ""


Work: TypeAlias = Generator[Step, None, T]


def result(work: Work[T]) -> T:
    """Run long work to its end without showing its steps.

    >>> def count() -> Work[str]:
    ...     yield Step(1, 2)
    ...     yield Step(2, 2)
    ...     return "counted"
    >>> result(count())
    'counted'
    """
    while True:
        try:
            next(work)
        except StopIteration as stop:
            made: T = stop.value
            return made
