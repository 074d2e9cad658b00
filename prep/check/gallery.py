"""One clip of each class, a few frames side by side: a wrong order of joints or a wrong label is seen at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.check.charts import caption, save
from prep.check.skeletons import BODY_COLOURS, drawn_joints, upward_axis

FRAMES, COLUMNS = 5, 4
PANEL = (3.6, 1.7)  # inches
GAP = 0.15  # between two frames, as a fraction of the width of one


@dataclass(frozen=True)
class Example:
    """What to draw of one clip: a title, and FRAMES of its joints (L, M, V, C) and body_mask (L, M)."""

    title: str
    joints: NDArray[np.float32]
    mask: NDArray[np.bool_]


def example_clips(label: NDArray[np.integer[Any]], flags: NDArray[np.integer[Any]]) -> list[int]:
    """The clip of each class to draw, in the order of the labels: its first one without a flag, else its first.

    >>> example_clips(np.array([0, 2, 0, 2]), np.array([1, 1, 0, 1]))
    [2, 1]
    """
    return [
        int(clips[(flags[clips] != 0).argmin()])
        for clips in (np.flatnonzero(label == number) for number in np.unique(label))
    ]


def frames_of(length: int) -> NDArray[np.intp]:
    """At most FRAMES frames of a clip, evenly spaced.

    >>> frames_of(9).tolist(), frames_of(2).tolist()
    ([0, 2, 4, 6, 8], [0, 1])
    """
    return np.unique(np.linspace(0, max(length - 1, 0), min(FRAMES, length)).round().astype(np.intp))


def draw_gallery(examples: Sequence[Example], layout: Layout, path: Path) -> None:
    """Write the PNG: a panel per example, each at its own scale, upright in space and in an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(examples) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * PANEL[0], rows * PANEL[1]), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, example in zip(panels, examples, strict=False):
        panel.set_title(caption(example.title), fontsize=7)
        panel.set_aspect("equal")
        for colour, lines in _lines(example, layout):
            panel.plot(*lines.T, color=colour, linewidth=0.9)
        if layout.is_image:
            panel.invert_yaxis()
    save(figure, path)


def _lines(example: Example, layout: Layout) -> list[tuple[str, NDArray[np.float64]]]:
    """(colour, points (_, 2)) of each body in each frame; bones are separated by NaN."""
    drawn = drawn_joints(example.joints, example.mask, layout)
    points = example.joints[..., [0, upward_axis(example.joints, example.mask, layout)]].astype(np.float64)
    points[~drawn] = np.nan
    if not drawn.any():
        return []
    width = float(np.nanmax(points[..., 0]) - np.nanmin(points[..., 0]))
    points[..., 0] += (1 + GAP) * width * np.arange(len(points))[:, None, None]
    ends = points[:, :, np.array(layout.bones, np.intp).reshape(-1, 2)]
    lines = np.concatenate([ends, np.full_like(ends[..., :1, :], np.nan)], axis=-2)
    return [
        (BODY_COLOURS[body % len(BODY_COLOURS)], lines[frame, body].reshape(-1, 2))
        for frame, body in zip(*np.nonzero(example.mask), strict=True)
    ]
