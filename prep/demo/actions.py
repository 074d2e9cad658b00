"""The 24 demo actions as tables of key poses, in the order of their classes (A001 first).

Positions of hands and feet are (out, up, forward) relative to the person, where "out" points away from the body's
midline. A left action is therefore the mirror image of a right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """The configuration of a body at one instant; the default is standing at ease.

    Hands are relative to their shoulder, in arm lengths. Feet and hips (right, up, forward) are relative to their
    position at ease, in leg lengths. Angles in degrees: `turn` of the whole body to its right, `bend` of the spine
    forward, `lean` to the right, `twist` of the shoulders to the right.
    """

    hips: Triple = (0, 0, 0)
    turn: float = 0
    bend: float = 0
    lean: float = 0
    twist: float = 0
    right_hand: Triple = (0.14, -0.95, 0.08)
    left_hand: Triple = (0.14, -0.95, 0.08)
    right_foot: Triple = (0, 0, 0)
    left_foot: Triple = (0, 0, 0)

    def vector(self) -> NDArray[np.float64]:
        """(19,): all numbers, in the order of the fields; `columns` has the slice of each."""
        return np.concatenate([np.atleast_1d(getattr(self, field.name)) for field in fields(self)]).astype(float)

    def mirrored(self) -> Pose:
        """Swap left and right.

        >>> Pose(lean=20, right_hand=(0, 1, 0)).mirrored() == Pose(lean=-20, left_hand=(0, 1, 0))
        True
        """
        return Pose(
            hips=(-self.hips[0], self.hips[1], self.hips[2]),
            turn=-self.turn,
            bend=self.bend,
            lean=-self.lean,
            twist=-self.twist,
            right_hand=self.left_hand,
            left_hand=self.right_hand,
            right_foot=self.left_foot,
            left_foot=self.right_foot,
        )


@cache
def columns(name: str) -> slice:
    """The slice of `Pose.vector` that holds one field.

    >>> columns("turn")
    slice(3, 4, None)
    """
    start = 0
    for field in fields(Pose):
        width = np.size(getattr(AT_EASE, field.name))
        if field.name == name:
            return slice(start, start + width)
        start += width
    raise ValueError(f"`{name}` is not a field of Pose")


@dataclass(frozen=True)
class Action:
    """Key poses, each with the seconds that lead to it: `start`, then the cycle, then `end`.

    The cycle is repeated `repeats[0]` to `repeats[1]` times. With `either`, the class does not fix a side and half of
    its clips are mirrored.
    """

    cycle: tuple[tuple[float, Pose], ...]
    repeats: tuple[int, int] = (1, 1)
    start: Pose = Pose()
    end: tuple[float, Pose] = (0.5, Pose())
    either: bool = False

    def mirrored(self) -> Action:
        """The same action on the other side of the body."""
        return replace(
            self,
            cycle=tuple((seconds, pose.mirrored()) for seconds, pose in self.cycle),
            start=self.start.mirrored(),
            end=(self.end[0], self.end[1].mirrored()),
        )


AT_EASE = Pose()


def _both(hand: Triple, **other: float | Triple) -> Pose:
    return Pose(right_hand=hand, left_hand=hand, **other)  # type: ignore[arg-type]


def _right_arm() -> dict[str, Action]:
    wave_in, wave_out = Pose(right_hand=(0.12, 0.62, 0.32)), Pose(right_hand=(0.72, 0.50, 0.25))
    up = Pose(right_hand=(0.05, 0.98, 0.1))
    guard = Pose(right_hand=(-0.05, 0.1, 0.42), left_hand=(-0.1, 0.12, 0.45), twist=12)
    hit = Pose(right_hand=(0.32, 0.05, 0.93), left_hand=(-0.1, 0.12, 0.4), twist=-30, bend=6, hips=(0, -0.03, 0.08))
    mouth = (-0.3, 0.34, 0.34)
    return {
        "wave": Action(((0.5, wave_in), (0.24, wave_out), (0.24, wave_in)), (2, 4)),
        "raise": Action(((0.45, Pose(right_hand=(0.15, 0.1, 0.95))), (0.4, up), (0.5, up)), end=(0.8, AT_EASE)),
        "punch": Action(((0.35, guard), (0.16, hit), (0.26, guard)), (1, 3)),
        "throw": Action(
            (
                (0.5, Pose(right_hand=(0.4, 0.5, -0.35), twist=32, bend=-8, hips=(0.03, 0, -0.06))),
                (0.18, Pose(right_hand=(0.1, 0.55, 0.75), twist=-15, bend=10, hips=(0, -0.03, 0.05))),
                (0.2, Pose(right_hand=(-0.4, -0.45, 0.6), twist=-35, bend=22, hips=(0, -0.04, 0.08))),
            )
        ),
        "drink": Action(
            (
                (0.35, Pose(right_hand=(0.05, -0.45, 0.6))),
                (0.4, Pose(right_hand=mouth)),
                (0.6, Pose(right_hand=(-0.28, 0.42, 0.36), bend=-8)),
                (0.3, Pose(right_hand=mouth)),
            )
        ),
    }


def _both_arms() -> dict[str, Action]:
    near, far = _both((-0.02, -0.18, 0.22), bend=2), _both((-0.08, 0.02, 0.98), bend=12, hips=(0, -0.02, 0.06))
    grasp, waist = _both((-0.1, -0.08, 0.95), bend=8), _both((0.12, -0.42, 0.06), bend=-10, hips=(0, -0.03, -0.08))
    apart, together = _both((0.12, -0.22, 0.62)), _both((-0.3, -0.2, 0.66))
    wave_in, wave_out = _both((0.12, 0.62, 0.3)), _both((0.7, 0.5, 0.25))
    overhead = _both((-0.22, 0.96, 0), bend=-6, hips=(0, 0.01, 0))
    return {
        "wave both hands": Action(((0.5, wave_in), (0.26, wave_out), (0.26, wave_in)), (2, 4)),
        "clap": Action(((0.4, apart), (0.16, together), (0.18, apart)), (3, 5)),
        "push with both hands": Action(((0.45, near), (0.24, far), (0.25, far), (0.45, near))),
        "pull with both hands": Action(((0.6, grasp), (0.3, grasp), (0.3, waist), (0.3, waist))),
        "stretch overhead": Action(
            ((0.8, overhead), (0.8, _both((-0.18, 0.99, -0.1), bend=-12, hips=(0, 0.02, 0.02)))), end=(0.8, AT_EASE)
        ),
    }


def _legs() -> dict[str, Action]:
    cock = Pose(right_foot=(0, 0.3, -0.22), bend=4, hips=(-0.06, -0.02, 0))
    strike = Pose(right_foot=(-0.06, 0.5, 0.78), bend=-14, hips=(-0.08, -0.02, -0.05), left_hand=(0.3, -0.8, 0.35))
    low = _both((-0.05, -0.08, 0.95), hips=(0, -0.46, -0.16), bend=34)
    crouch = _both((0.2, -0.85, -0.4), hips=(0, -0.24, -0.05), bend=28)
    feet = {"right_foot": (0, 0.3, 0), "left_foot": (0, 0.3, 0)}
    flight = _both((0.35, 0.75, 0.4), hips=(0, 0.34, 0), **feet)
    landed = _both((0.25, -0.6, 0.6), hips=(0, -0.2, -0.03), bend=20)
    step = Pose(right_foot=(0, 0.4, 0.12), right_hand=(0.05, -0.8, -0.4), left_hand=(0, -0.6, 0.62), hips=(-0.03, 0, 0))
    closed = _both((0.25, -0.93, 0.05), hips=(0, -0.04, 0))
    wide = {"right_foot": (0.34, 0.02, 0), "left_foot": (0.34, 0.02, 0)}
    star = _both((0.1, 0.97, 0), hips=(0, -0.05, 0), **wide)
    return {
        "kick": Action(((0.3, cock), (0.2, strike), (0.3, cock)), (1, 2)),
        "squat": Action(((0.7, low), (0.25, low), (0.65, AT_EASE)), (1, 2), end=(0.2, AT_EASE)),
        "jump": Action(((0.4, crouch), (0.22, flight), (0.22, landed)), (1, 2)),
        "march": Action(((0.32, step), (0.3, step.mirrored())), (2, 3), either=True),
        "jumping jack": Action(((0.3, star), (0.3, closed)), (2, 4), end=(0.2, AT_EASE)),
    }


def _whole_body() -> dict[str, Action]:
    seat = _both((-0.02, -0.72, 0.52), hips=(0, -0.44, -0.45), bend=6)
    between = _both((0.02, -0.65, 0.6), hips=(0, -0.26, -0.3), bend=42)
    deep = Pose(bend=72, hips=(0, -0.02, -0.14), right_hand=(0.06, -0.9, 0.3), left_hand=(0.06, -0.9, 0.3))
    left_up, right_up = (-0.02, 0.16, 0.02), (0.02, 0.14, -0.02)
    side = Pose(lean=34, hips=(-0.1, -0.01, 0), right_hand=(0.15, -0.95, 0), left_hand=(-0.05, -0.9, 0.1))
    return {
        "bow": Action(((0.8, deep), (0.35, deep)), end=(0.8, AT_EASE)),
        "sit down": Action(((0.7, between),), end=(0.6, seat)),
        "stand up": Action(((0.6, between),), start=seat, end=(0.7, AT_EASE)),
        "turn around": Action(
            (
                (0.4, Pose(turn=40, twist=18, right_foot=right_up)),
                (0.4, Pose(turn=85, twist=12, left_foot=left_up)),
                (0.4, Pose(turn=130, twist=8, right_foot=right_up)),
                (0.4, Pose(turn=170, left_foot=left_up)),
            ),
            end=(0.3, Pose(turn=180)),
            either=True,
        ),
        "lean sideways": Action(((0.7, side), (0.3, side), (0.9, side.mirrored())), end=(0.7, AT_EASE), either=True),
    }


def _table() -> Mapping[str, Action]:
    arm, arms, legs, body = _right_arm(), _both_arms(), _legs(), _whole_body()
    table = {
        "wave right hand": arm["wave"],
        "wave left hand": arm["wave"].mirrored(),
        "wave both hands": arms["wave both hands"],
        "raise right arm": arm["raise"],
        "raise left arm": arm["raise"].mirrored(),
        "punch right": arm["punch"],
        "punch left": arm["punch"].mirrored(),
        "kick right": legs["kick"],
        "kick left": legs["kick"].mirrored(),
        "squat": legs["squat"],
        "jump": legs["jump"],
        "bow": body["bow"],
        "sit down": body["sit down"],
        "stand up": body["stand up"],
        "clap": arms["clap"],
        "push with both hands": arms["push with both hands"],
        "pull with both hands": arms["pull with both hands"],
        "throw right": arm["throw"],
        "drink right": arm["drink"],
        "turn around": body["turn around"],
        "march": legs["march"],
        "jumping jack": legs["jumping jack"],
        "lean sideways": body["lean sideways"],
        "stretch overhead": arms["stretch overhead"],
    }
    return MappingProxyType(table)


ACTIONS: Mapping[str, Action] = _table()
