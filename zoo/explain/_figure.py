"""Figure: the contract of every figure. Finished runs become named arrays, and these alone become a drawing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.folder import stems
from manifests.strict import build, hint
from prep.progress import Work
from zoo.explain._subject import Subject
from zoo.named_arrays import NamedArrays


class FigureError(Exception):
    """A figure cannot be made of these runs; the text says which runs or methods it can be made of."""


@dataclass(frozen=True)
class NoOptions:
    """The options of a figure that has none."""


class Figure:
    """A subclass writes `arrays` and `draw`, and a class attribute `Options` where it has settings.

    `least` and `most` are how many runs it takes (`most` 0: any number).
    """

    Options: Any = NoOptions
    least, most = 1, 1

    def __init__(self, options: Any) -> None:
        self.options = options

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """Everything that the figure shows, and the numbers that stand below it as arrays without axes.

        Raises FigureError where a run's method or backbone has nothing to show.
        """
        raise TypeError(f"{type(self).__module__} is a figure without `arrays`; write that method.")

    def draw(self, arrays: NamedArrays) -> Any:
        """A figure of matplotlib, made from the arrays alone."""
        raise TypeError(f"{type(self).__module__} is a figure without `draw`; write that method.")

    def words(self, arrays: NamedArrays) -> list[str]:
        """The numbers of the figure, one line each."""
        return []

    def check_runs(self, count: int) -> None:
        """Raise FigureError for a number of runs that the figure does not take."""
        if self.least <= count and (not self.most or count <= self.most):
            return
        name = type(self).__module__.rpartition(".")[2]
        most = f" to {self.most}" if self.most > self.least else " or more" if not self.most else ""
        raise FigureError(f"`{name}` takes {self.least}{most} runs, not {count}. Name that many before it.")


def names() -> list[str]:
    """The figures that ship, sorted.

    >>> "similarity" in names()
    True
    """
    return stems(Path(__file__).parent, ".py")


def figure(name: str, settings: Mapping[str, Any]) -> Figure:
    """The figure of that name with these options. Raises FigureError for another name, InvalidValue for an option."""
    if name not in names():
        raise FigureError(f"`{name}` is not a figure. {hint(name, names())}")
    made: type[Figure] = importlib.import_module(f"zoo.explain.{name}").Figure
    return made(build(made.Options, settings, f"figure {name}"))
