"""Bar charts of a report, one PNG each: clip lengths, clips per class, variation of bone lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from manifests.text import plain, span
from prep.check.report import Report

NAMED_CLASSES = 60  # more names do not fit on a page
BAR = "#4c78a8"


def draw_lengths(report: Report, path: Path) -> None:
    """A histogram of frames per clip."""
    figure, axis = new_figure(8, 3.6)
    lengths = np.array(report.lengths)
    axis.hist(lengths, bins=min(60, int(np.ptp(lengths)) + 1), color=BAR)
    median = int(np.median(lengths))
    axis.axvline(median, color="black", linewidth=1, linestyle="--", label=f"median {median}")
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="frames in a clip", ylabel="clips")
    axis.set_title(caption(f"{report.dataset}: {report.clips:,} clips of {span(report.lengths, 'frame')}"), fontsize=11)
    axis.legend(frameon=False)
    save(figure, path)


def draw_classes(report: Report, path: Path) -> None:
    """Clips per class; with more than NAMED_CLASSES classes, bars without names in decreasing order."""
    classes = [(name, count) for name, count in report.classes if count]
    absent = len(report.classes) - len(classes)
    counts = [count for _, count in classes]
    title = f"{report.dataset}: {len(classes)} classes of {span(counts, 'clip')}"
    title += f"; {absent} without a clip" if absent else ""
    if len(classes) > NAMED_CLASSES:
        figure, axis = new_figure(8, 3.6)
        axis.bar(range(len(classes)), sorted(counts, reverse=True), width=1.0, color=BAR)
        axis.set(xlabel="classes, largest first", ylabel="clips")
    else:
        figure, axis = new_figure(8, 1.2 + 0.24 * len(classes))
        axis.barh([caption(name) for name, _ in classes], counts, color=BAR)
        axis.bar_label(axis.containers[0], padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.08)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(xlabel="clips")
    axis.set_title(caption(title), fontsize=11)
    save(figure, path)


def draw_bones(report: Report, path: Path) -> None:
    """The variation of each bone's length inside clips."""
    figure, axis = new_figure(8, 1.2 + 0.24 * len(report.bones))
    percent = [100 * spread for _, _, spread in report.bones]
    names = [caption(f"{name}  ({length:.3g})") for name, length, _ in report.bones]
    axis.barh(names, np.nan_to_num(percent), color=BAR)
    axis.bar_label(axis.containers[0], labels=[f"{value:.1f} %" for value in percent], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.1)
    axis.set(xlabel="standard deviation inside a clip, in % of the bone's mean length")
    axis.set_title(caption(f"{report.dataset}, {report.preprocessing}: bones, with their mean length"), fontsize=11)
    save(figure, path)


def caption(text: str) -> str:
    r"""Text from outside for a figure: without control characters, and `$` as itself rather than as TeX.

    >>> print(caption("a $5$ bet"))
    a \$5\$ bet
    """
    return plain(text).replace("$", r"\$")


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of this size in inches with one axis; opens no window and changes no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def save(figure: Any, path: Path) -> None:
    """Write the PNG, whatever the suffix of `path`; its bytes do not depend on the date or the machine."""
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})
