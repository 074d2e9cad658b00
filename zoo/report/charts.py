"""Curves of a training and the confusion matrix, as figures of matplotlib made from named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.drawing import COLOURS, COLUMN, PAGE, SHARES, new_figure, style, table
from zoo.named_arrays import NamedArrays

CURVE = "curve/"
# Columns of a log that are no part of the loss.
OTHERS = ("step", "done", "lr", "accuracy", "validation")
MANY = 60  # points of a curve from which a running mean is drawn
NUMBERED = 12  # classes up to which the cells of a confusion matrix have numbers


def curves(rows: Sequence[Mapping[str, str]]) -> NamedArrays:
    """The columns of a run's log (zoo.runs.log.read) as arrays over the axis record; NaN where a cell is empty."""
    columns = list(rows[0]) if rows else []
    arrays = {f"{CURVE}{name}": np.array([_number(row[name]) for row in rows]) for name in columns}
    return NamedArrays(arrays, dict.fromkeys(arrays, ("record",)))


def draw_curves(arrays: NamedArrays) -> Any:
    """Loss with its parts above accuracy and validation accuracy, over the episodes or clips trained."""
    columns = {name.removeprefix(CURVE): arrays[name] for name in arrays if name.startswith(CURVE)}
    done = columns["done"]
    losses = {name: values for name, values in columns.items() if name not in OTHERS}
    if len(losses) == 2:
        del losses["loss"]  # which is its only part
    percents = {name: 100 * columns[name] for name in ("accuracy", "validation") if _any(columns.get(name))}
    with style():
        figure = new_figure(COLUMN, 2.9 if percents else 1.6)
        axes = figure.subplots(2 if percents else 1, sharex=True, squeeze=False)[:, 0]
        for axis, group, unit in zip(axes, (losses, percents), ("loss", "accuracy in %"), strict=False):
            for colour, (name, values) in zip(COLOURS * 9, group.items(), strict=False):
                _curve(axis, done, values, name.replace("_", " "), colour)
            axis.set_ylabel(unit)
            axis.legend(ncols=2)
            axis.grid(axis="y", linewidth=0.3, alpha=0.6)
        axes[-1].set_xlabel("episodes or clips trained")
    return figure


def draw_confusion(shares: NDArray[np.float64], names: Sequence[str]) -> Any:
    """The confusion matrix, rows true classes, as shares 0..1; NaN (no common task) stays white."""
    count = len(names)
    size = COLUMN if count <= NUMBERED else PAGE
    with style():
        figure = new_figure(size, size * 0.95)
        axis = figure.subplots()
        image = table(axis, 100 * shares, names, names, cmap=SHARES, vmin=0, vmax=100)
        axis.set(xlabel="answer", ylabel="true class")
        bar = figure.colorbar(image, ax=axis, shrink=0.8)
        bar.set_label("% of the queries in tasks with both")
        for row, column in np.argwhere(np.isfinite(shares)) if count <= NUMBERED else ():
            value = 100 * shares[row, column]
            colour = "white" if value < 50 else "black"
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=5, color=colour)
    return figure


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The mean of each value and its neighbours, `width` of them together, fewer at both ends; NaN are left out.

    >>> running_mean(np.array([0.0, 3.0, 6.0]), 3).tolist()
    [1.5, 3.0, 4.5]
    """
    known, kernel = np.isfinite(values), np.ones(width)
    sums = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    counts = np.convolve(known.astype(float), kernel, mode="same")
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _curve(axis: Any, done: NDArray[np.float64], values: NDArray[np.float64], name: str, colour: str) -> None:
    known = np.isfinite(values)
    few = int(known.sum()) <= MANY
    marker = "." if known.sum() < len(values) else "none"
    alpha = 1.0 if few else 0.3
    axis.plot(done[known], values[known], marker=marker, color=colour, ms=3, alpha=alpha, label=name)
    if not few:
        lines = axis.get_lines()
        lines[-1].set_label("_")
        width = min(len(values) // 20 * 2 + 1, len(values))
        axis.plot(done[known], running_mean(values[known], width), color=colour, label=name)


def _any(values: NDArray[np.float64] | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def _number(cell: str) -> float:
    return float(cell) if cell else float("nan")
