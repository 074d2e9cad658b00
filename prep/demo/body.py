"""A human body model with the 25 joints of Kinect v2: bone lengths and poses to joint positions.

The pose sets hands and feet; elbows and knees follow from the bone lengths by two-bone inverse kinematics. The axes of
the body are those of a camera that it faces: x to its right, y up from the floor, z to its back, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.demo.actions import columns

Array = NDArray[np.float64]

JOINTS = 25
# Joint numbers of one arm (shoulder, elbow, wrist, hand, tip, thumb) and one leg (hip, knee, ankle, foot), right first.
ARMS: tuple[tuple[int, ...], ...] = ((8, 9, 10, 11, 23, 24), (4, 5, 6, 7, 21, 22))
LEGS: tuple[tuple[int, ...], ...] = ((16, 17, 18, 19), (12, 13, 14, 15))
_SIDES = np.array([1.0, -1.0])


@dataclass(frozen=True)
class Body:
    """Bone lengths of one person in metres; the defaults give a height of about 1.72 m."""

    waist: float = 0.27
    chest: float = 0.21
    neck: float = 0.07
    head: float = 0.14
    shoulders: float = 0.17
    upper_arm: float = 0.27
    forearm: float = 0.25
    hand: float = 0.075
    hips: float = 0.085
    thigh: float = 0.42
    shank: float = 0.40
    ankle: float = 0.08
    foot: float = 0.13
    stance: float = 0.03

    @property
    def arm(self) -> float:
        """Shoulder to wrist."""
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        """Hip to ankle."""
        return self.thigh + self.shank


def two_bones(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Two-bone inverse kinematics: the middle and the end of a limb from `root` to `target`, all (..., 3).

    The middle joint bends towards `pole`. Bones are not stretched: the end stops short of a target out of reach.

    >>> middle, end = two_bones(np.zeros(3), np.array([6.0, 0, 0]), 5.0, 5.0, np.array([0.0, 1, 0]))
    >>> middle.tolist(), end.tolist()
    ([3.0, 4.0, 0.0], [6.0, 0.0, 0.0])
    """
    gap = target - root
    distance = np.linalg.norm(gap, axis=-1, keepdims=True)
    along = gap / np.maximum(distance, 1e-9)
    reach = np.clip(distance, 0.2 * (upper + lower), 0.999 * (upper + lower))
    before = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - before**2, 0))
    return root + along * before + across(pole, along) * aside, root + along * reach


def across(vector: Array, along: Array) -> Array:
    """The unit vector along the component of `vector` orthogonal to the unit vector `along`, both (..., 3)."""
    rest = vector - (vector * along).sum(-1, keepdims=True) * along
    return rest / np.maximum(np.linalg.norm(rest, axis=-1, keepdims=True), 1e-9)


def rotation(turn: Array, bend: Array, lean: Array) -> Array:
    """(L, 3, 3): rotation matrices from angles (L,) in radians: bend forward, then lean right, then turn right.

    A quarter turn to the right maps forward (-z) to right (+x).

    >>> quarter = np.array([np.pi / 2])
    >>> ((rotation(quarter, 0 * quarter, 0 * quarter)[0] @ [0, 0, -1]).round(6) + 0.0).tolist()
    [1.0, 0.0, 0.0]
    """
    one, zero = np.ones_like(turn), np.zeros_like(turn)
    (ct, st), (cb, sb), (cl, sl) = ((np.cos(angle), np.sin(angle)) for angle in (turn, bend, lean))
    turned = np.stack([ct, zero, -st, zero, one, zero, st, zero, ct], -1).reshape(-1, 3, 3)
    leant = np.stack([cl, sl, zero, -sl, cl, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    bent = np.stack([one, zero, zero, zero, cb, sb, zero, -sb, cb], -1).reshape(-1, 3, 3)
    return turned @ leant @ bent


def pose_joints(body: Body, motion: Array) -> Array:
    """(L, 25, 3): joint positions in metres for `motion` (L, 19), one `Pose.vector` per frame; the floor is y = 0."""
    joints = np.empty((len(motion), JOINTS, 3))
    turn, bend, lean, twist = (np.radians(motion[:, columns(name)][:, 0]) for name in ("turn", "bend", "lean", "twist"))
    still = np.zeros_like(turn)
    pelvis, torso = rotation(turn, still, still), rotation(turn + twist, bend, lean)
    standing = body.ankle + 0.985 * body.leg
    hips = motion[:, columns("hips")] * [1, 1, -1] * body.leg
    joints[:, 0] = _apply(pelvis, hips) + np.array([0, standing, 0])
    joints[:, 1] = joints[:, 0] + rotation(turn + twist / 2, bend / 2, lean / 2)[:, :, 1] * body.waist
    joints[:, 20] = joints[:, 1] + torso[:, :, 1] * body.chest
    joints[:, 2] = joints[:, 20] + torso[:, :, 1] * body.neck
    joints[:, 3] = joints[:, 2] + torso @ _unit([0, 1, -0.15]) * body.head
    for side, numbers, name in zip(_SIDES, ARMS, ("right_hand", "left_hand"), strict=True):
        shoulder = joints[:, 20] + torso @ np.array([side * body.shoulders, -0.04, 0.01])
        _arm(joints, body, torso, shoulder, motion[:, columns(name)] * [side, 1, -1], numbers)
    for side, numbers, name in zip(_SIDES, LEGS, ("right_foot", "left_foot"), strict=True):
        hip = joints[:, 0] + pelvis @ np.array([side * body.hips, -0.01, 0])
        step = motion[:, columns(name)] * [side, 1, -1] * body.leg + [side * (body.hips + body.stance), body.ankle, 0]
        _leg(joints, body, pelvis, hip, _apply(pelvis, step), numbers)
    return joints


def _arm(joints: Array, body: Body, torso: Array, shoulder: Array, hand: Array, numbers: tuple[int, ...]) -> None:
    """Set six joints of an arm; `hand` (L, 3) is relative to the shoulder, in arm lengths and the torso's axes."""
    side = 1.0 if numbers[0] == ARMS[0][0] else -1.0
    pole = torso @ _unit([side * 0.6, -0.7, 0.5])
    elbow, wrist = two_bones(shoulder, shoulder + _apply(torso, hand * body.arm), body.upper_arm, body.forearm, pole)
    along = (wrist - elbow) / body.forearm
    thumb = across(torso @ _unit([-side * 0.6, 0.4, -0.7]), along)
    palm = wrist + along * body.hand
    parts = (shoulder, elbow, wrist, palm, palm + along * body.hand, palm + (along + thumb) * body.hand * 0.5)
    for number, position in zip(numbers, parts, strict=True):
        joints[:, number] = position


def _leg(joints: Array, body: Body, pelvis: Array, hip: Array, step: Array, numbers: tuple[int, ...]) -> None:
    """Set four joints of a leg; `step` (L, 3) is the target of the ankle."""
    forward = -pelvis[:, :, 2]
    knee, ankle = two_bones(hip, step, body.thigh, body.shank, forward)
    along = (ankle - knee) / body.shank
    toes = ankle + across(forward + np.array([0, 0.05, 0]), along) * body.foot + along * 0.3 * body.ankle
    for number, position in zip(numbers, (hip, knee, ankle, toes), strict=True):
        joints[:, number] = position


def _apply(matrices: Array, vectors: Array) -> Array:
    return np.einsum("lij,lj->li", matrices, vectors)


def _unit(vector: list[float]) -> Array:
    return np.asarray(vector) / np.linalg.norm(vector)
