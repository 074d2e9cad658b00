"""Where in a stored clip a flag's rule is broken: the frames and joints that a picture marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.preprocessing import quality
from prep.preprocessing.quality import Detections


@dataclass(frozen=True)
class Marks:
    """What breaks a rule in one clip: `frames` (L,), `joints` (L, M, V), and by how much (0: nothing was found).

    `worst` is the frame to look at first, -1 for none.
    """

    frames: NDArray[np.bool_]
    joints: NDArray[np.bool_]
    strength: float
    worst: int


def clip_detections(joints: NDArray[np.floating[Any]], mask: NDArray[np.bool_], layout: Layout) -> Detections:
    """The bodies of a stored clip, joints (L, M, V, C) and body_mask (L, M), each slot one person."""
    body, frame = np.nonzero(mask.T)
    coordinates = joints[frame, body][..., : quality.axes(layout)]
    return Detections(layout, len(joints), frame, body, np.ascontiguousarray(coordinates.transpose(2, 0, 1)))


def find_marks(bit: int, bodies: Detections, mask: NDArray[np.bool_], recorded: bool) -> Marks:
    """Where the rule of one flag is broken among the bodies of a clip with body_mask (L, M).

    Flags without a rule on joints mark nothing, and unless the joints lie as `recorded` neither do GHOST and ZERO:
    recipes turn bodies, and put a joint at the origin.
    """
    frames, held = np.zeros(len(mask), np.bool_), np.zeros(bodies.seen.shape, np.bool_)
    strength, worst = 0.0, -1
    if bit == quality.BODY_COUNT:
        frames = quality.count_changes(mask.sum(axis=1))
    elif bit == quality.ZERO and recorded:
        frames = quality.blank_frames(bodies)
        held = quality.zeros(bodies)
    elif bit == quality.GHOST and recorded:
        held |= np.repeat(quality.ghosts(bodies), bodies.counts)[:, None]
    elif bit == quality.FROZEN:
        held |= quality.frozen(bodies)[:, None]
    elif bit == quality.BONE_JUMP and len(bodies.body):
        held, strength, worst = _bone_jumps(bodies)
    marked = np.zeros((*mask.shape, bodies.seen.shape[1]), np.bool_)
    marked[bodies.frame, bodies.body] = held
    frames = frames | marked.any(axis=(1, 2))
    strength = strength or float(marked.sum() or frames.sum())
    return Marks(frames, marked, strength, worst if worst >= 0 or not frames.any() else int(frames.argmax()))


def _bone_jumps(bodies: Detections) -> tuple[NDArray[np.bool_], float, int]:
    """Both ends (R, V) of every bone that jumps, before and after; the largest jump, and its frame."""
    jumps = quality.bone_jumps(bodies)
    held = np.zeros(bodies.seen.shape, np.bool_)
    detection, bone = np.nonzero(jumps > quality.JUMP)
    for end in np.array(bodies.layout.bones).T:
        held[detection, end[bone]] = held[detection - 1, end[bone]] = True
    largest = jumps.max(axis=1)
    return held, float(largest.max()), int(bodies.frame[largest.argmax()]) if len(detection) else -1
