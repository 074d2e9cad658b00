"""A few frames of a clip as skeletons side by side, with the joints that break a flag's rule in red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.check.charts import save
from prep.check.flag_location import FlagLocation

FRAMES = 8
WIDTH, TITLE, LEGEND = 13.0, 0.85, 0.75  # inches: width of the figure, heights of its title and its legend
BODY_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
HIGHLIGHT = "#d62728"


@dataclass(frozen=True)
class Strip:
    """What to draw: a title, a clip's joints (L, M, V, C) and body_mask (L, M), and the location to highlight."""

    title: str
    joints: NDArray[np.float32]
    mask: NDArray[np.bool_]
    layout: Layout
    location: FlagLocation


def draw_strip(strip: Strip, path: Path) -> None:
    """Write the PNG: at most FRAMES frames at one scale, with y up in space and down in an image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    frames = select_frames(strip.location, strip.mask)
    up = upward_axis(strip.joints, strip.mask, strip.layout)
    low, high = _limits(strip, frames, up)
    columns = max(len(frames), 4)
    panel_width = (WIDTH - 0.6) / columns - 0.15
    panel_height = float(np.clip(panel_width * (high - low)[1] / (high - low)[0], 0.7, 3.6))
    height = panel_height + TITLE + LEGEND
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    figure.suptitle(strip.title, fontsize=11, y=1 - 0.1 / height, va="top")
    panels = figure.subplots(1, columns, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.045, right=0.99, top=1 - TITLE / height, bottom=LEGEND / height, wspace=0.12)
    for panel in panels[len(frames) :]:
        panel.set_axis_off()
    for panel, frame in zip(panels, frames, strict=False):
        _draw_frame(panel, strip, frame, up)
    panels[0].set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x", ylabel="xyz"[up])
    if strip.layout.is_image:
        panels[0].invert_yaxis()
    figure.text(0.5, 0.1 / height, _legend(strip), ha="center", fontsize=9)
    save(figure, path)


def select_frames(location: FlagLocation, mask: NDArray[np.bool_]) -> list[int]:
    """Select frames to draw: those around the worst one, or evenly spaced ones if most or no frames are flagged.

    >>> one = np.arange(100) == 50
    >>> select_frames(FlagLocation(one, one[:, None, None], 1.0, 50), np.ones((100, 1), bool))
    [46, 47, 48, 49, 50, 51, 52, 53]
    """
    length, flagged = len(mask), location.joints.any(axis=(1, 2))
    if length <= FRAMES:
        return list(range(length))
    if location.worst < 0 or flagged.mean() > 0.5:
        frames = np.flatnonzero(flagged if flagged.any() else mask.any(axis=1))
        frames = frames if len(frames) >= FRAMES else np.arange(length)
        return [int(frames[index]) for index in np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)]
    first = int(np.clip(location.worst - FRAMES // 2, 0, length - FRAMES))
    return list(range(first, first + FRAMES))


def upward_axis(joints: NDArray[np.float32], mask: NDArray[np.bool_], layout: Layout) -> int:
    """The axis along which bodies are longest: y as recorded, z after a preprocessing that aligns spines to z."""
    bodies = joints[mask]
    if layout.is_image or joints.shape[-1] < 3 or not len(bodies):
        return 1
    return 1 + int(np.ptp(bodies, axis=1).mean(axis=0)[1:3].argmax())


def _limits(strip: Strip, frames: Sequence[int], up: int) -> NDArray[np.floating[Any]]:
    """The lower left and upper right corner (2, 2) of the drawn joints, with a margin."""
    drawn = drawn_joints(strip.joints, strip.mask, strip.layout)[list(frames)]
    points = strip.joints[list(frames)][drawn][:, [0, up]]
    if not len(points):
        return np.array([[-1.0, -1.0], [1.0, 1.0]])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * max(float((high - low).max()), 1e-6)
    return np.stack([low - margin, high + margin])


def drawn_joints(joints: NDArray[np.float32], mask: NDArray[np.bool_], layout: Layout) -> NDArray[np.bool_]:
    """(L, M, V): joints of present bodies; in an image, where joints are often missing, only the present ones."""
    if layout.is_image:
        return mask[..., None] & joints[..., : layout.axes].any(axis=-1)
    return np.repeat(mask[..., None], joints.shape[2], axis=2)


def _draw_frame(panel: Any, strip: Strip, frame: int, up: int) -> None:
    flagged = bool(strip.location.frames[frame])
    colour, weight = (HIGHLIGHT, "bold") if flagged else ("black", None)
    panel.set_title(f"frame {frame}", fontsize=9, color=colour, fontweight=weight)
    panel.set_aspect("equal")
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    if not strip.mask[frame].any():
        panel.text(0.5, 0.5, "no body", ha="center", va="center", transform=panel.transAxes, color=HIGHLIGHT)
    drawn = drawn_joints(strip.joints, strip.mask, strip.layout)[frame]
    for body in np.flatnonzero(strip.mask[frame]):
        points, colour = strip.joints[frame, body][:, [0, up]], BODY_COLOURS[body % len(BODY_COLOURS)]
        highlighted = strip.location.joints[frame, body]
        for bone in strip.layout.bones:
            ends = list(bone)
            if drawn[body, ends].all():
                red = highlighted[ends].all()
                panel.plot(*points[ends].T, color=HIGHLIGHT if red else colour, linewidth=2.2 if red else 1.4)
        panel.plot(*points[drawn[body] & ~highlighted].T, ".", color=colour, markersize=3)
        panel.plot(*points[drawn[body] & highlighted].T, "o", color=HIGHLIGHT, markersize=4)


def _legend(strip: Strip) -> str:
    bodies = np.flatnonzero(strip.mask.any(axis=0))
    legend = "red: breaks the flag's rule" if strip.location.frames.any() else "the stored joints do not show the flag"
    return legend if len(bodies) < 2 else f"{legend}; {len(bodies)} bodies in the clip, one colour each"
