"""Where a quality flag points in a stored clip: the frames and joints that break its rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.preprocessing import quality
from prep.preprocessing.quality import Detections


@dataclass(frozen=True)
class FlagLocation:
    """The `frames` (L,) and `joints` (L, M, V) of a clip that break one rule.

    `severity` compares clips, 0 if nothing breaks the rule. `worst` is the frame that breaks it most, -1 if none does.
    """

    frames: NDArray[np.bool_]
    joints: NDArray[np.bool_]
    severity: float
    worst: int


def clip_detections(joints: NDArray[np.floating[Any]], mask: NDArray[np.bool_], layout: Layout) -> Detections:
    """The detections of a stored clip, joints (L, M, V, C) and body_mask (L, M), each slot taken as one body."""
    body, frame = np.nonzero(mask.T)
    coordinates = joints[frame, body][..., : layout.axes]
    return Detections(layout, len(joints), frame, body, np.ascontiguousarray(coordinates.transpose(2, 0, 1)))


def locate_flag(bit: int, bodies: Detections, mask: NDArray[np.bool_], recorded: bool) -> FlagLocation:
    """Find the frames and joints that break the rule of one flag in a clip with body_mask (L, M).

    The result is empty for flags without a rule on joints. Unless the joints are as `recorded`, it is also empty for
    GHOST and ZERO: preprocessing rotates bodies, and moves a joint to the origin.
    """
    frames, broken = np.zeros(len(mask), np.bool_), np.zeros(bodies.seen.shape, np.bool_)
    severity, worst = 0.0, -1
    if bit == quality.BODY_COUNT:
        frames = quality.count_changes(mask.sum(axis=1))
    elif bit == quality.ZERO and recorded:
        frames = quality.blank_frames(bodies)
        broken = quality.zeros(bodies)
    elif bit == quality.GHOST and recorded:
        broken |= np.repeat(quality.ghosts(bodies), bodies.counts)[:, None]
    elif bit == quality.FROZEN:
        broken |= quality.frozen(bodies)[:, None]
    elif bit == quality.BONE_JUMP and len(bodies.body):
        broken, severity, worst = _bone_jumps(bodies)
    joints = np.zeros((*mask.shape, bodies.seen.shape[1]), np.bool_)
    joints[bodies.frame, bodies.body] = broken
    frames = frames | joints.any(axis=(1, 2))
    severity = severity or float(joints.sum() or frames.sum())
    return FlagLocation(frames, joints, severity, worst if worst >= 0 or not frames.any() else int(frames.argmax()))


def _bone_jumps(bodies: Detections) -> tuple[NDArray[np.bool_], float, int]:
    """Both ends (R, V) of every jumping bone, before and after the jump; the largest jump, and its frame."""
    jumps = quality.bone_jumps(bodies)
    ends_of_jumps = np.zeros(bodies.seen.shape, np.bool_)
    detection, bone = np.nonzero(jumps > quality.JUMP)
    for end in np.array(bodies.layout.bones).T:
        ends_of_jumps[detection, end[bone]] = ends_of_jumps[detection - 1, end[bone]] = True
    largest = jumps.max(axis=1)
    return ends_of_jumps, float(largest.max()), int(bodies.frame[largest.argmax()]) if len(detection) else -1
