"""Which frames a strip shows, which way is up, and that it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.facts import layout
from prep.check.flag_location import FlagLocation
from prep.check.skeletons import FRAMES, Strip, draw_strip, select_frames, upward_axis


def at(length: int, *frames: int) -> FlagLocation:
    flagged = np.zeros(length, bool)
    flagged[list(frames)] = True
    return FlagLocation(flagged, flagged[:, None, None], float(len(frames)), frames[0] if frames else -1)


@pytest.mark.parametrize(
    ("length", "flagged", "drawn"),
    [
        (5, [2], [0, 1, 2, 3, 4]),
        (80, [], [0, 11, 23, 34, 45, 56, 68, 79]),
        (80, [0], [0, 1, 2, 3, 4, 5, 6, 7]),
        (80, [79], [72, 73, 74, 75, 76, 77, 78, 79]),
        (80, list(range(40, 80)), [36, 37, 38, 39, 40, 41, 42, 43]),
        (80, list(range(10, 80)), [10, 20, 30, 40, 49, 59, 69, 79]),
    ],
)
def test_frames_around_the_worst_are_drawn(length: int, flagged: list[int], drawn: list[int]) -> None:
    assert select_frames(at(length, *flagged), np.ones((length, 1), bool)) == drawn


def test_without_a_location_frames_with_a_body_are_drawn() -> None:
    mask = np.zeros((100, 1), bool)
    mask[50:70] = True
    assert all(50 <= frame < 70 for frame in select_frames(at(100), mask))
    assert len(select_frames(at(100), mask & False)) == FRAMES


def test_up_is_the_axis_along_which_bodies_are_long() -> None:
    body_layout, image = layout("kinect20"), layout("openpose18")
    rng = np.random.default_rng(0)
    tall = rng.standard_normal((4, 1, 20, 3)).astype(np.float32) * [1, 9, 1]
    mask = np.ones((4, 1), bool)
    assert upward_axis(tall, mask, body_layout) == 1
    assert upward_axis(tall[..., [0, 2, 1]], mask, body_layout) == 2
    assert upward_axis(tall[..., :18, [0, 2, 1]], mask, image) == 1
    assert upward_axis(tall, mask & False, body_layout) == 1


@pytest.mark.parametrize("name", ["kinect20", "openpose18"])
@pytest.mark.parametrize("length", [0, 1, 30])
def test_a_strip_is_drawn(tmp_path: Path, name: str, length: int) -> None:
    body_layout = layout(name)
    joints = np.random.default_rng(0).random((length, 2, len(body_layout.joints), 3)).astype(np.float32)
    mask = np.ones((length, 2), bool)
    mask[length // 2 :, 1] = False
    flagged = np.zeros(joints.shape[:3], bool)
    flagged[:1] = True
    location = FlagLocation(flagged.any(axis=(1, 2)), flagged, 1.0, 0 if length else -1)
    draw_strip(Strip("a strip", joints, mask, body_layout, location), tmp_path / "strip.png")
    assert (tmp_path / "strip.png").stat().st_size > 1000
