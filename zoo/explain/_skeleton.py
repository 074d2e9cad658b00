"""A skeleton on an axis of matplotlib, seen from the front as it was recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout

BONE, JOINT = "#5a6069", "#0072B2"


def front(positions: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Upright positions (..., V, 3) as (..., V, 2): right and up, for a viewer before the recorded body.

    >>> from manifests.facts import layout
    >>> front(np.array([[1.0, 2.0, 3.0]]), layout("ntu25")).tolist()
    [[1.0, 2.0]]
    """
    axis, sign = layout.vertical
    right = 1 if axis == 0 else 0
    return np.stack([positions[..., right], sign * positions[..., axis]], axis=-1)


def draw_skeleton(
    axis: Any,
    points: NDArray[np.float64],
    bones: NDArray[np.int64],
    sizes: NDArray[np.float64] | None = None,
    shade: float = 1.0,
    **colours: Any,
) -> None:
    """Bones (child, parent) and joints of one body (V, 2).

    `sizes` are areas of joints in points squared, `shade` is 0..1 opaque. `c`, `cmap`, `vmin` and `vmax` colour the
    joints. What is NaN is left out.
    """
    from matplotlib.collections import LineCollection

    ends = points[bones]
    axis.add_collection(
        LineCollection(list(ends[np.isfinite(ends).all((1, 2))]), colors=BONE, linewidths=0.7, alpha=shade, zorder=1)
    )
    area = np.full(len(points), 2.0) if sizes is None else sizes
    given = colours or {"color": JOINT}
    axis.scatter(points[:, 0], points[:, 1], s=area, alpha=shade, linewidths=0, zorder=2, **given)


def bare(axis: Any, adjustable: str = "datalim") -> None:
    """An axis without ticks and frame, with one unit along both; `box` keeps limits that were set."""
    axis.set_axis_off()
    axis.set_aspect("equal", adjustable=adjustable)


def joint_ticks(axis: Any, count: int, along: str = "xy", every: int = 5) -> None:
    """Joint numbers from 1 along both axes of a matrix, or along `x` or `y`; the first and every fifth."""
    places = [0, *range(every - 1, count, every)]
    words = [str(place + 1) for place in places]
    if "x" in along:
        axis.set_xticks(places, words)
    if "y" in along:
        axis.set_yticks(places, words)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
