"""Accuracy over the values of one setting, from finished runs of a sweep (DASTM Fig. 5 and appendix Figs. 1-2: weight
of the rank, scale and drop rate; the cross-modal transfer paper's Fig. 6: decay).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prep.progress import Step, Work
from zoo.drawing import COLOURS, COLUMN, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._subject import Subject
from zoo.named_arrays import NamedArrays
from zoo.sweep.compare import AVERAGED
from zoo.sweep.grid import as_toml, choices

MARKERS = "os^Dv"
FEW = 8  # values that are all named along the axis


@dataclass(frozen=True)
class Options:
    """`key`: the setting along the axis, for example method.options.rank_weight; "" is the only number that differs."""

    key: str = ""


class Figure(_figure.Figure):
    """One line for each combination of the other settings in which the runs differ, averaged over seeds, class splits.

    Bars are 95 % intervals: 1.96 standard errors over runs, or over the tasks of a single run.
    """

    Options = Options
    least, most = 2, 0

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`value` (value), `accuracy`, `interval` and `runs` (line, value); NaN where a line has no run.

        Raises FigureError where no setting, or more than one, can be the axis, and for a pre-training run.
        """
        yield Step(0, 1, "reading runs")
        for subject in subjects:
            if subject.result.accuracy is None:
                raise _figure.FigureError(f"{subject.run.path}: a pre-training run has no test accuracy. Leave it out.")
        flat = [choices(subject.recipe) for subject in subjects]
        differing = _differing(flat)
        key = self.options.key or _axis(flat, differing)
        self._check(key, flat)
        others = [name for name in differing if name != key]
        cells: dict[tuple[str, float], list[Subject]] = {}
        for subject, values in zip(subjects, flat, strict=True):
            words = (f"{name.rpartition('.')[2]}={as_toml(values[name])}" for name in others if name in values)
            line = " ".join(words) or subject.recipe.name
            cells.setdefault((line, float(values[key])), []).append(subject)
        return _table(cells, key)

    def _check(self, key: str, flat: Sequence[Mapping[str, Any]]) -> None:
        strange = [values.get(key) for values in flat if not _is_number(values.get(key))]
        if strange:
            raise _figure.FigureError(
                f"key is `{key}`, which is {strange[0]!r} in a run. Take a setting with a number."
            )

    def draw(self, arrays: NamedArrays) -> Any:
        """Lines with bars; a logarithmic axis where the values span more than a factor of 50."""
        values, key = arrays["value"], str(arrays["key"])
        with style():
            figure = new_figure(COLUMN, 2.2)
            axis = figure.subplots()
            for number, line in enumerate(arrays.labels["line"]):
                known = np.isfinite(arrays["accuracy"][number])
                look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "ms": 3}
                axis.errorbar(
                    values[known],
                    arrays["accuracy"][number][known],
                    arrays["interval"][number][known],
                    label=text(line, 48),
                    capsize=2,
                    **look,
                )
            positive = values[values > 0]
            if len(positive) > 2 and positive.max() > 50 * positive.min():
                axis.set_xscale("symlog", linthresh=float(positive.min()))
            elif len(values) <= FEW:
                axis.set_xticks(values)
            axis.set(xlabel=text(key), ylabel="accuracy in %")
            axis.grid(axis="y", linewidth=0.3, alpha=0.6)
            if len(arrays.labels["line"]) > 1:
                figure.legend(loc="outside upper left", ncols=1)
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """The best value of every line."""
        lines = []
        for number, line in enumerate(arrays.labels["line"]):
            best = int(np.nanargmax(arrays["accuracy"][number]))
            number_of = f"{arrays['accuracy'][number][best]:.2f} % ± {arrays['interval'][number][best]:.2f}"
            lines.append(f"{line}: best {number_of} at {arrays['key']} = {arrays['value'][best]:g}")
        return lines


def numerical_axes(subjects: Sequence[Subject], keys: Sequence[str]) -> list[str]:
    """Those of the settings `keys` that are a number in every run, differ between runs, and can be the axis."""
    flat = [choices(subject.recipe) for subject in subjects if subject.result.accuracy is not None]
    differing = _differing(flat) if len(flat) == len(subjects) > 1 else []
    return [key for key in keys if key in differing and all(_is_number(values.get(key)) for values in flat)]


def _differing(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings in which runs differ, without seed and class split."""
    keys = dict.fromkeys(key for values in flat for key in values)
    texts = {key: {as_toml(values[key]) if key in values else "" for values in flat} for key in keys}
    return [key for key in keys if len(texts[key]) > 1 and key not in AVERAGED]


def _axis(flat: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> str:
    numbers = [key for key in differing if all(_is_number(values.get(key)) for values in flat)]
    if len(numbers) == 1:
        return numbers[0]
    if not numbers:
        raise _figure.FigureError("the runs differ in no setting with a number. Take the runs of a sweep over one.")
    listed = ", ".join(numbers)
    raise _figure.FigureError(f"the runs differ in several numbers: {listed}. Choose one with --set key={numbers[0]}.")


def _table(cells: Mapping[tuple[str, float], Sequence[Subject]], key: str) -> NamedArrays:
    lines, values = sorted({line for line, _ in cells}), sorted({value for _, value in cells})
    accuracy, interval = (np.full((len(lines), len(values)), np.nan) for _ in range(2))
    runs = np.zeros((len(lines), len(values)), dtype=np.int64)
    for (line, value), members in cells.items():
        place = lines.index(line), values.index(value)
        measured = [float(member.result.accuracy or 0.0) for member in members]
        accuracy[place], runs[place] = statistics.fmean(measured), len(members)
        alone = members[0].result.interval or 0.0
        spread = statistics.stdev(measured) if len(measured) > 1 else 0.0
        interval[place] = 1.96 * spread / len(measured) ** 0.5 if len(measured) > 1 else alone
    arrays = {"value": np.array(values), "accuracy": accuracy, "interval": interval, "runs": runs}
    axes = {"value": ("value",), **dict.fromkeys(("accuracy", "interval", "runs"), ("line", "value")), "key": ()}
    return NamedArrays({**arrays, "key": np.array(key)}, axes, {"line": tuple(lines)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
