"""Bars of a report: lengths of clips, clips per class, how steady bones are. One PNG each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prep.check.report import Report, span

NAMED_CLASSES = 60  # more would not fit on a page
BAR = "#4c78a8"


def draw_lengths(found: Report, path: Path) -> None:
    """A histogram of frames per clip."""
    figure, axis = new_figure(8, 3.6)
    lengths = np.array(found.lengths)
    axis.hist(lengths, bins=min(60, int(np.ptp(lengths)) + 1), color=BAR)
    middle = int(np.median(lengths))
    axis.axvline(middle, color="black", linewidth=1, linestyle="--", label=f"median {middle}")
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="frames in a clip", ylabel="clips")
    axis.set_title(f"{found.dataset}: {found.clips:,} clips of {span(found.lengths, 'frame')}", fontsize=11)
    axis.legend(frameon=False)
    save(figure, path)


def draw_classes(found: Report, path: Path) -> None:
    """Clips per class: named bars, or only their heights where there are many."""
    held = [(name, count) for name, count in found.classes if count]
    absent = len(found.classes) - len(held)
    counts = [count for _, count in held]
    title = f"{found.dataset}: {len(held)} classes of {span(counts, 'clip')}"
    title += f"; {absent} without a clip" if absent else ""
    if len(held) > NAMED_CLASSES:
        figure, axis = new_figure(8, 3.6)
        axis.bar(range(len(held)), sorted(counts, reverse=True), width=1.0, color=BAR)
        axis.set(xlabel="classes, the largest first", ylabel="clips")
    else:
        figure, axis = new_figure(8, 1.2 + 0.24 * len(held))
        axis.barh([name for name, _ in held], counts, color=BAR)
        axis.bar_label(axis.containers[0], padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.08)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(xlabel="clips")
    axis.set_title(title, fontsize=11)
    save(figure, path)


def draw_bones(found: Report, path: Path) -> None:
    """How much the length of each bone varies inside clips."""
    figure, axis = new_figure(8, 1.2 + 0.24 * len(found.bones))
    spread = [100 * each for _, _, each in found.bones]
    names = [f"{name}  ({length:.3g})" for name, length, _ in found.bones]
    axis.barh(names, np.nan_to_num(spread), color=BAR)
    axis.bar_label(axis.containers[0], labels=[f"{each:.1f} %" for each in spread], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.1)
    axis.set(xlabel="standard deviation inside a clip, in % of the bone's mean length")
    axis.set_title(f"{found.dataset}, {found.recipe}: bones, with their mean length", fontsize=11)
    save(figure, path)


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches with one axis; no window, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def save(figure: Any, path: Path) -> None:
    """Write the PNG; nothing in it depends on the day or the machine."""
    figure.savefig(path, dpi=130, metadata={"Software": None})
