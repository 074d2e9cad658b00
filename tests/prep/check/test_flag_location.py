"""Flags point at the frames and joints that were broken on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.facts import layout
from prep.check.flag_location import FlagLocation, clip_detections, locate_flag
from prep.preprocessing import quality

LAYOUT = layout("kinect20")


def clip(frames: int = 20, bodies: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two people who sway, side by side."""
    rng = np.random.default_rng(0)
    still = rng.standard_normal((bodies, 20, 3)) * [0.1, 0.8, 0.1] + np.arange(bodies)[:, None, None] * [1, 0, 0]
    joints = still + 0.05 * rng.standard_normal((frames, bodies, 20, 3)) + [0, 0, 3]
    return joints.astype(np.float32), np.ones((frames, bodies), bool)


def locate(bit: int, joints: np.ndarray, mask: np.ndarray, recorded: bool = True) -> FlagLocation:
    return locate_flag(bit, clip_detections(joints, mask, LAYOUT), mask, recorded)


def test_missing_joints_and_blank_frames() -> None:
    joints, mask = clip()
    joints[4, 1, 7] = 0
    joints[9:11], mask[9:11] = 0, False
    location = locate(quality.ZERO, joints, mask)
    assert np.argwhere(location.joints).tolist() == [[4, 1, 7]]
    assert np.flatnonzero(location.frames).tolist() == [4, 9, 10]
    assert location.worst == 4
    assert not locate(quality.ZERO, joints, mask, recorded=False).frames.any()


def test_the_largest_jump_is_the_worst() -> None:
    joints, mask = clip()
    joints[6, 0, 15] += 5
    joints[12, 1, 19] += 9
    location = locate(quality.BONE_JUMP, joints, mask)
    assert np.flatnonzero(location.frames).tolist() == [5, 6, 7, 11, 12, 13]
    assert location.worst in (12, 13)
    assert set(np.flatnonzero(location.joints[12, 1])) == {18, 19}
    assert location.severity > locate(quality.BONE_JUMP, joints[:10], mask[:10]).severity > quality.JUMP


def test_frozen_ghosts_and_counts() -> None:
    joints, mask = clip()
    joints[5:9, 1] = joints[5, 1]
    assert np.flatnonzero(locate(quality.FROZEN, joints, mask).joints.any(axis=2)[:, 1]).tolist() == [5, 6, 7, 8]
    joints[:, 1] = joints[:, 1][..., [1, 0, 2]]
    location = locate(quality.GHOST, joints, mask).joints
    assert location[:, 1].all()
    assert not location[:, 0].any()
    mask[15:, 1] = False
    assert np.flatnonzero(locate(quality.BODY_COUNT, joints, mask).frames).tolist() == [15]


@pytest.mark.parametrize("flag", quality.FLAGS, ids=lambda flag: flag.name)
def test_flags_point_at_nothing_in_a_good_clip_nor_in_an_empty_one(flag: quality.Flag) -> None:
    joints, mask = clip()
    assert locate(flag.bit, joints, mask).worst == -1
    assert not locate(flag.bit, joints[:0], mask[:0]).frames.any()
    assert not locate(flag.bit, joints * 0, mask & False).joints.any()
