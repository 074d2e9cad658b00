"""Which frames a strip shows, which way is up, and that it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.facts import layout
from prep.check.flagged import Marks
from prep.check.skeletons import FRAMES, Strip, _upward_axis, chosen_frames, draw_strip


def marks(length: int, *frames: int, joints: bool = True) -> Marks:
    held = np.zeros(length, bool)
    held[list(frames)] = True
    return Marks(held, (held & joints)[:, None, None], float(len(frames)), frames[0] if frames else -1)


@pytest.mark.parametrize(
    ("length", "marked", "shown"),
    [
        (5, [2], [0, 1, 2, 3, 4]),
        (80, [], [0, 11, 23, 34, 45, 56, 68, 79]),
        (80, [0], [0, 1, 2, 3, 4, 5, 6, 7]),
        (80, [79], [72, 73, 74, 75, 76, 77, 78, 79]),
        (80, list(range(40, 80)), [36, 37, 38, 39, 40, 41, 42, 43]),
        (80, list(range(10, 80)), [10, 20, 30, 40, 49, 59, 69, 79]),
    ],
)
def test_frames_around_the_fault_are_shown(length: int, marked: list[int], shown: list[int]) -> None:
    assert chosen_frames(marks(length, *marked), np.ones((length, 1), bool)) == shown


def test_without_marks_frames_with_somebody_are_shown() -> None:
    mask = np.zeros((100, 1), bool)
    mask[50:70] = True
    assert all(50 <= frame < 70 for frame in chosen_frames(marks(100), mask))
    assert len(chosen_frames(marks(100), mask & False)) == FRAMES


def test_up_is_the_axis_along_which_bodies_are_long() -> None:
    known, image = layout("kinect20"), layout("openpose18")
    rng = np.random.default_rng(0)
    tall = rng.standard_normal((4, 1, 20, 3)).astype(np.float32) * [1, 9, 1]
    mask = np.ones((4, 1), bool)
    assert _upward_axis(Strip("", tall, mask, known, marks(4))) == 1
    assert _upward_axis(Strip("", tall[..., [0, 2, 1]], mask, known, marks(4))) == 2
    assert _upward_axis(Strip("", tall[..., :18, [0, 2, 1]], mask, image, marks(4))) == 1
    assert _upward_axis(Strip("", tall, mask & False, known, marks(4))) == 1


@pytest.mark.parametrize("name", ["kinect20", "openpose18"])
@pytest.mark.parametrize("length", [0, 1, 30])
def test_a_strip_is_drawn(tmp_path: Path, name: str, length: int) -> None:
    known = layout(name)
    joints = np.random.default_rng(0).random((length, 2, len(known.joints), 3)).astype(np.float32)
    mask = np.ones((length, 2), bool)
    mask[length // 2 :, 1] = False
    marked = np.zeros(joints.shape[:3], bool)
    marked[:1] = True
    found = Marks(marked.any(axis=(1, 2)), marked, 1.0, 0 if length else -1)
    draw_strip(Strip("a strip", joints, mask, known, found), tmp_path / "strip.png")
    assert (tmp_path / "strip.png").stat().st_size > 1000
