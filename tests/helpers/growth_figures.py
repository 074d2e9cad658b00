"""The two figures of helpers.growth, in colours that colour-blind readers tell apart (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

COLOURS = {"protonet": "#0072B2", "dtw": "#D55E00", "dastm": "#009E73"}
# Hollow and larger where it would hide the marker below it.
MARKERS: dict[str, dict[str, object]] = {
    "protonet": {"marker": "o", "ms": 2.6},
    "dtw": {"marker": "s", "ms": 5, "mfc": "none", "mew": 0.9},
    "dastm": {"marker": "^", "ms": 3.4},
}
TITLES = {"protonet": "ProtoNet", "dtw": "DTW", "dastm": "DASTM", "stgcn": "ST-GCN, 4 blocks", "tcn": "TCN"}
DASHES = {"stgcn": "-", "tcn": (0, (3, 1.5))}
AXES = {
    "B": "B: episodes in a step",
    "N": "N: classes",
    "K": "K: shots of a class",
    "Q": "Q: queries of a class",
    "T": "T: frames of a clip",
    "V": "V: joints of a body",
}
GREY, LABEL_GAP = "0.35", 0.085


@dataclass(frozen=True)
class Quantity:
    """What a panel shows: its title, and the factor from seconds or bytes to the unit."""

    title: str
    scale: float


QUANTITIES = {"seconds": Quantity("time of a step, ms", 1e3), "memory": Quantity("peak memory, MB", 2**-20)}


@dataclass(frozen=True)
class Line:
    """One line of a panel and its exponent."""

    what: str
    axis: str
    method: str
    backbone: str
    sizes: Sequence[int]
    values: Sequence[float]
    slope: float


def draw_steps(lines: Sequence[Line], path: Path, base: Mapping[str, int]) -> None:
    """Time above, memory below, one panel for each size."""
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 8, "axes.linewidth": 0.6})
    figure, grid = plt.subplots(4, 3, figsize=(7.2, 8.6), dpi=140, sharey=False)
    limits = {what: _limits([v for line in lines if line.what == what for v in line.values]) for what in QUANTITIES}
    for row, what in enumerate(("seconds", "seconds", "memory", "memory")):
        for column in range(3):
            axis = list(AXES)[3 * (row % 2) + column]
            panel = [line for line in lines if (line.what, line.axis) == (what, axis)]
            _panel(grid[row][column], panel, AXES[axis], limits[what])
            if column == 0:
                grid[row][column].set_ylabel(QUANTITIES[what].title)
    handles = [Line2D([], [], color=COLOURS[name], label=TITLES[name], **MARKERS[name]) for name in COLOURS]
    handles += [Line2D([], [], color=GREY, ls=DASHES[name], label=TITLES[name]) for name in DASHES]
    figure.legend(handles=handles, ncols=5, loc="upper center", frameon=False, bbox_to_anchor=(0.5, 0.985))
    rest = ", ".join(f"{name} = {value}" for name, value in base.items())
    figure.text(
        0.5,
        0.008,
        f"A training step on one core; all other sizes are {rest}, one body.\n"
        "At each line: the exponent of its last three points.",
        ha="center",
        color=GREY,
    )
    figure.tight_layout(rect=(0, 0.035, 1, 0.96), h_pad=1.2, w_pad=0.8)
    _save(figure, path)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    return 0.6 * min(values), 2.6 * max(values)


def _panel(axes: Axes, lines: Sequence[Line], title: str, limits: tuple[float, float]) -> None:
    sizes = lines[0].sizes
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.24)
    for line in lines:
        axes.plot(
            line.sizes,
            line.values,
            color=COLOURS[line.method],
            ls=DASHES[line.backbone],
            lw=1.2,
            **MARKERS[line.method],
        )
    _ticks(axes, sizes)
    axes.set_title(title, pad=3)
    _exponents(axes, lines)


def _ticks(axes: Axes, sizes: Sequence[int]) -> None:
    axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color="0.9", lw=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _exponents(axes: Axes, lines: Sequence[Line]) -> None:
    """At the end of each line, moved apart where lines end together."""
    low, high = np.log(axes.get_ylim())
    ordered = sorted(lines, key=lambda line: line.values[-1])
    wanted = [(np.log(line.values[-1]) - low) / (high - low) for line in ordered]
    for line, place in zip(ordered, apart(wanted, LABEL_GAP), strict=True):
        axes.text(
            0.995,
            place,
            f"{line.slope:.1f}".replace("-0.0", "0.0").replace("-", "−"),
            transform=axes.transAxes,
            color=COLOURS[line.method],
            fontsize=7,
            ha="right",
            va="center",
        )


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved as little as possible until neighbours are `gap` apart: each group around its mean.

    >>> [round(place, 2) for place in apart([0.1, 0.5, 0.5], 0.2)]
    [0.1, 0.4, 0.6]
    """
    groups = [[place] for place in places]
    starts = list(places)
    index = 0
    while index + 1 < len(groups):
        if starts[index] + gap * len(groups[index]) > starts[index + 1] + 1e-12:
            groups[index] += groups.pop(index + 1)
            del starts[index + 1]
            starts[index] = sum(groups[index]) / len(groups[index]) - gap * (len(groups[index]) - 1) / 2
            index = max(0, index - 1)
        else:
            index += 1
    return [start + gap * n for start, group in zip(starts, groups, strict=True) for n in range(len(group))]


def draw_build(
    clips: Sequence[int],
    seconds: Sequence[float],
    fixed: float,
    per_clip: float,
    slope: float,
    path: Path,
    frames: int,
) -> None:
    """One panel: seconds, and the line of a fixed part and a part per clip."""
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 9, "axes.linewidth": 0.6})
    figure, axes = plt.subplots(figsize=(4.6, 3.1), dpi=140)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    between = np.geomspace(clips[0], clips[-1], 100)
    axes.plot(between, fixed + per_clip * between, color=COLOURS["dtw"], lw=1.2, ls=DASHES["tcn"])
    axes.plot(clips, seconds, color=COLOURS["protonet"], marker="o", ms=4.5, ls="none")
    _ticks(axes, clips)
    axes.set_ylim(min(seconds) / 1.4, max(seconds) * 1.9)
    axes.yaxis.set_major_locator(FixedLocator([f * 10**p for p in range(-1, 4) for f in (1, 1.5, 2, 3, 4, 6, 8)]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"clips of {frames} frames, one body")
    axes.set_ylabel("processor time, s")
    axes.set_title("fsprep build ntu60, one worker")
    axes.text(
        0.04,
        0.93,
        f"dashed: {fixed:.1f} s to start + {1e3 * per_clip:.1f} ms per clip\nexponent of the last three: {slope:.1f}",
        transform=axes.transAxes,
        va="top",
        color=GREY,
        bbox={"color": "white", "pad": 1},
    )
    figure.tight_layout()
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": ""})
    plt.close(figure)
