"""Marks stand where the fault is."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.facts import layout
from prep.check.flagged import clip_detections, find_marks
from prep.preprocessing import quality

KNOWN = layout("kinect20")


def clip(frames: int = 20, bodies: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two people who sway, side by side."""
    rng = np.random.default_rng(0)
    still = rng.standard_normal((bodies, 20, 3)) * [0.1, 0.8, 0.1] + np.arange(bodies)[:, None, None] * [1, 0, 0]
    joints = still + 0.05 * rng.standard_normal((frames, bodies, 20, 3)) + [0, 0, 3]
    return joints.astype(np.float32), np.ones((frames, bodies), bool)


def marked(bit: int, joints: np.ndarray, mask: np.ndarray, recorded: bool = True):
    return find_marks(bit, clip_detections(joints, mask, KNOWN), mask, recorded)


def test_missing_joints_and_blank_frames() -> None:
    joints, mask = clip()
    joints[4, 1, 7] = 0
    joints[9:11], mask[9:11] = 0, False
    found = marked(quality.ZERO, joints, mask)
    assert np.argwhere(found.joints).tolist() == [[4, 1, 7]]
    assert np.flatnonzero(found.frames).tolist() == [4, 9, 10]
    assert found.worst == 4
    assert not marked(quality.ZERO, joints, mask, recorded=False).frames.any()


def test_the_largest_jump_is_the_worst() -> None:
    joints, mask = clip()
    joints[6, 0, 15] += 5
    joints[12, 1, 19] += 9
    found = marked(quality.BONE_JUMP, joints, mask)
    assert np.flatnonzero(found.frames).tolist() == [5, 6, 7, 11, 12, 13]
    assert found.worst in (12, 13)
    assert set(np.flatnonzero(found.joints[12, 1])) == {18, 19}
    assert found.strength > marked(quality.BONE_JUMP, joints[:10], mask[:10]).strength > quality.JUMP


def test_frozen_ghosts_and_counts() -> None:
    joints, mask = clip()
    joints[5:9, 1] = joints[5, 1]
    assert np.flatnonzero(marked(quality.FROZEN, joints, mask).joints.any(axis=2)[:, 1]).tolist() == [5, 6, 7, 8]
    joints[:, 1] = joints[:, 1][..., [1, 0, 2]]
    found = marked(quality.GHOST, joints, mask).joints
    assert found[:, 1].all()
    assert not found[:, 0].any()
    mask[15:, 1] = False
    assert np.flatnonzero(marked(quality.BODY_COUNT, joints, mask).frames).tolist() == [15]


@pytest.mark.parametrize("flag", quality.FLAGS, ids=lambda flag: flag.name)
def test_nothing_is_marked_in_a_good_clip_nor_in_an_empty_one(flag: quality.Flag) -> None:
    joints, mask = clip()
    assert marked(flag.bit, joints, mask).worst == -1
    assert not marked(flag.bit, joints[:0], mask[:0]).frames.any()
    assert not marked(flag.bit, joints * 0, mask & False).joints.any()
