"""A clip as a strip of skeletons: a few frames side by side, what breaks a flag's rule in red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.check.chart import save
from prep.check.flagged import Marks
from prep.preprocessing import quality

FRAMES = 8
WIDE, TITLE, LEGEND = 13.0, 0.85, 0.75  # inches: a strip, and what stands above and below its panels
BODY_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
MARKED = "#d62728"


@dataclass(frozen=True)
class Strip:
    """What to draw: a clip's joints (L, M, V, C) and body_mask (L, M), under a title, and what is marked there."""

    title: str
    joints: NDArray[np.float32]
    mask: NDArray[np.bool_]
    layout: Layout
    marks: Marks


def draw_strip(strip: Strip, path: Path) -> None:
    """Write the PNG: at most FRAMES frames, all to one scale, y up in space and down in an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = chosen_frames(strip.marks, strip.mask)
    up = _upward_axis(strip)
    low, high = _limits(strip, shown, up)
    columns = max(len(shown), 4)
    wide = (WIDE - 0.6) / columns - 0.15
    tall = float(np.clip(wide * (high - low)[1] / (high - low)[0], 0.7, 3.6))
    height = tall + TITLE + LEGEND
    figure = Figure(figsize=(WIDE, height))
    FigureCanvasAgg(figure)
    figure.suptitle(strip.title, fontsize=11, y=1 - 0.1 / height, va="top")
    panels = figure.subplots(1, columns, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.045, right=0.99, top=1 - TITLE / height, bottom=LEGEND / height, wspace=0.12)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel, frame in zip(panels, shown, strict=False):
        _draw_frame(panel, strip, frame, up)
    panels[0].set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x", ylabel="xyz"[up])
    if quality.is_image(strip.layout):
        panels[0].invert_yaxis()
    figure.text(0.5, 0.1 / height, _legend(strip), ha="center", fontsize=9)
    save(figure, path)


def chosen_frames(marks: Marks, mask: NDArray[np.bool_]) -> list[int]:
    """Which frames to show: all, or those around the worst one, or evenly spaced ones where most or none are marked.

    >>> one = np.arange(100) == 50
    >>> chosen_frames(Marks(one, one[:, None, None], 1.0, 50), np.ones((100, 1), bool))
    [46, 47, 48, 49, 50, 51, 52, 53]
    """
    length, held = len(mask), marks.joints.any(axis=(1, 2))
    if length <= FRAMES:
        return list(range(length))
    if marks.worst < 0 or held.mean() > 0.5:
        frames = np.flatnonzero(held if held.any() else mask.any(axis=1))
        frames = frames if len(frames) >= FRAMES else np.arange(length)
        return [int(frames[place]) for place in np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)]
    first = int(np.clip(marks.worst - FRAMES // 2, 0, length - FRAMES))
    return list(range(first, first + FRAMES))


def _upward_axis(strip: Strip) -> int:
    """The axis along which bodies are longest: y as recorded; z where a recipe has turned spines that way."""
    bodies = strip.joints[strip.mask]
    if quality.is_image(strip.layout) or strip.joints.shape[-1] < 3 or not len(bodies):
        return 1
    return 1 + int(np.ptp(bodies, axis=1).mean(axis=0)[1:3].argmax())


def _limits(strip: Strip, shown: Sequence[int], up: int) -> NDArray[np.floating[Any]]:
    """The lower left and upper right corner (2, 2) of what is drawn, with a margin."""
    drawn = _drawn(strip)[list(shown)]
    points = strip.joints[list(shown)][drawn][:, [0, up]]
    if not len(points):
        return np.array([[-1.0, -1.0], [1.0, 1.0]])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * max(float((high - low).max()), 1e-6)
    return np.stack([low - margin, high + margin])


def _drawn(strip: Strip) -> NDArray[np.bool_]:
    """(L, M, V): joints of present bodies; in an image only those that are not missing, which most frames have."""
    if quality.is_image(strip.layout):
        return strip.mask[..., None] & strip.joints[..., : quality.axes(strip.layout)].any(axis=-1)
    return np.repeat(strip.mask[..., None], strip.joints.shape[2], axis=2)


def _draw_frame(panel: Any, strip: Strip, frame: int, up: int) -> None:
    bad = bool(strip.marks.frames[frame])
    panel.set_title(f"frame {frame}", fontsize=9, color=MARKED if bad else "black", fontweight="bold" if bad else None)
    panel.set_aspect("equal")
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    if not strip.mask[frame].any():
        panel.text(0.5, 0.5, "nobody", ha="center", va="center", transform=panel.transAxes, color=MARKED)
    drawn = _drawn(strip)[frame]
    for body in np.flatnonzero(strip.mask[frame]):
        place, colour = strip.joints[frame, body][:, [0, up]], BODY_COLOURS[body % len(BODY_COLOURS)]
        held = strip.marks.joints[frame, body]
        for bone in strip.layout.bones:
            ends = list(bone)
            if drawn[body, ends].all():
                red = held[ends].all()
                panel.plot(*place[ends].T, color=MARKED if red else colour, linewidth=2.2 if red else 1.4)
        panel.plot(*place[drawn[body] & ~held].T, ".", color=colour, markersize=3)
        panel.plot(*place[drawn[body] & held].T, "o", color=MARKED, markersize=4)


def _legend(strip: Strip) -> str:
    bodies = np.flatnonzero(strip.mask.any(axis=0))
    words = "red: what the flag is about" if strip.marks.frames.any() else "nothing to mark in what the store keeps"
    return words if len(bodies) < 2 else f"{words}; {len(bodies)} bodies in the clip, one colour each"
