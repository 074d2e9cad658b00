"""The position and the size of bodies: the middle of the hips, and the length of the trunk.

A joint is undetected if it is zero on every axis, as Kinect and OpenPose write it, or if its score is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.preprocessing.moved import Joints

# A trunk below this fraction of the mean bone length is no trunk.
SHORT_TRUNK = 0.1
# A body smaller than this fraction of its distance from zero is lost in the rounding of float32.
SMALLEST = 1e-6


def detected(joints: Joints, layout: Layout) -> NDArray[np.bool_]:
    """(L, M, V): whether a joint was detected."""
    seen = np.asarray(joints[..., : layout.axes].any(axis=-1))
    return seen & (joints[..., layout.axes] > 0) if layout.scored else seen


def middle(joints: Joints, seen: NDArray[np.bool_], group: Sequence[int]) -> NDArray[np.float64]:
    """(L, M, C): the mean of the detected joints of a group, NaN where none of them is detected.

    >>> middle(np.array([1.0, 3.0]).reshape(1, 1, 2, 1), np.array([[[True, True]]]), (0, 1)).tolist()
    [[[2.0]]]
    """
    chosen = seen[..., list(group)]
    count = chosen.sum(axis=-1)[..., None]
    total = np.einsum("lmvc,lmv->lmc", joints[..., list(group), :].astype(np.float64), chosen)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def hip_path(joints: Joints, layout: Layout) -> tuple[NDArray[np.float64] | None, bool]:
    """The middle of the hips of body 0 in every frame (L, axes), and whether other joints had to stand in for them.

    A frame without them is interpolated linearly. If no frame has them, the shoulders stand in, then all joints. None
    if body 0 is absent throughout.
    """
    positions, seen = joints[:, :1, :, : layout.axes], detected(joints[:, :1], layout)
    for group in (layout.hips, layout.shoulders, range(len(layout.joints))):
        path = middle(positions, seen, group)[:, 0]
        known = np.flatnonzero(~np.isnan(path[:, 0]))
        if len(known):
            frames = np.arange(len(path))
            whole = np.stack([np.interp(frames, known, axis[known]) for axis in path.T], axis=1)
            return whole, group is not layout.hips
    return None, False


def trunk_length(joints: Joints, layout: Layout) -> tuple[float, bool]:
    """The median over frames and bodies of the trunk's length, and whether the mean bone length had to stand in for it.

    The trunk reaches from the middle of the hips to the middle of the shoulders. In a layout without shoulders, its
    length is the mean distance of the other joints from the middle of the hips. The mean bone length stands in where
    the trunk is never detected or shorter than SHORT_TRUNK of it, and 1 where that is zero too.
    """
    positions, seen = joints[..., : layout.axes].astype(np.float64), detected(joints, layout)
    hips = middle(positions, seen, layout.hips)
    bone = _mean_bone(positions, seen, layout)
    trunk = _median(_trunks(positions, seen, hips, layout))
    least = SMALLEST * float(np.abs(positions).max(initial=0))
    if trunk > max(SHORT_TRUNK * bone, least):
        return trunk, False
    return bone if bone > least else 1.0, bool(seen.any())


def _trunks(
    positions: NDArray[np.float64], seen: NDArray[np.bool_], hips: NDArray[np.float64], layout: Layout
) -> NDArray[np.float64]:
    """(L, M): the length of each body's trunk, NaN where it is not detected."""
    if layout.shoulders:
        return np.asarray(np.linalg.norm(middle(positions, seen, layout.shoulders) - hips, axis=-1))
    others = seen.copy()
    others[..., list(layout.hips)] = False
    distance = np.where(others, np.linalg.norm(positions - hips[..., None, :], axis=-1), 0).sum(axis=-1)
    count = others.sum(axis=-1)
    return np.where(count > 0, distance / np.maximum(count, 1), np.nan)


def _mean_bone(positions: NDArray[np.float64], seen: NDArray[np.bool_], layout: Layout) -> float:
    """The mean over all bones with two detected ends, 0 without any."""
    child, parent = np.array(layout.bones, np.intp).reshape(-1, 2).T
    lengths = np.linalg.norm(positions[..., child, :] - positions[..., parent, :], axis=-1)
    both = seen[..., child] & seen[..., parent]
    return float(lengths[both].mean()) if both.any() else 0.0


def _median(values: NDArray[np.float64]) -> float:
    """The median of the values that are not NaN, 0 without any."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
