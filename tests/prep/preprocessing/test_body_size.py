"""The preprocessing `standard`: hips at zero and bones of unit length, in every layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic_ntu import person, recording

from manifests import facts
from manifests.custom import CustomLayout
from manifests.layout import Layout
from prep.clip import Clip, Recording
from prep.preprocessing import body_size, quality, steps
from prep.preprocessing.pipeline import apply, pipeline

CROSS = CustomLayout(("middle", "left", "right", "top"), ((1, 0), (2, 0), (3, 0)))


def standard(made: Recording, layout: Layout) -> Clip:
    return apply(pipeline("standard"), made, layout)


def made_of(joints: np.ndarray) -> Recording:
    """One body; joints (L, V, C)."""
    return replace(recording([[(1, person(0)[0])]] * len(joints)), joints=joints.astype(np.float32))


def walking(layout: Layout, frames: int = 12, size: float = 1.0) -> np.ndarray:
    """(L, V, C) of a body that drifts through space or an image, at least a metre away from zero, fully detected."""
    rng = np.random.default_rng(0)
    body = rng.standard_normal((1, len(layout.joints), layout.coordinates))
    joints = size * (body + 0.1 * rng.standard_normal((frames, *body.shape[1:])) + 9)
    joints[..., : layout.axes] += np.linspace(0, 5, frames)[:, None, None]
    if layout.scored:
        joints[..., layout.axes] = 0.8
    return joints


def plain_mean_bone(joints: np.ndarray, layout: Layout) -> float:
    """Bone by bone and frame by frame; joints (L, V, C) of one body."""
    medians = []
    for child, parent in layout.bones:
        lengths = [
            np.sqrt(sum((frame[child, axis] - frame[parent, axis]) ** 2 for axis in range(layout.axes)))
            for frame in joints
            if frame[child].any() and frame[parent].any()
        ]
        medians += [np.median(lengths)] if lengths else []
    return float(np.mean(medians))


@pytest.mark.parametrize("name", facts.names("layouts"))
def test_the_hips_lie_at_zero_and_the_mean_bone_has_length_1(name: str) -> None:
    layout = facts.layout(name)
    joints = walking(layout)
    clip = standard(made_of(joints), layout)
    np.testing.assert_allclose(clip.joints[:, 0, list(layout.hips), : layout.axes].mean(axis=1), 0, atol=1e-5)
    assert clip.to_recorded[0, 0] == pytest.approx(plain_mean_bone(joints, layout))
    if layout.scored:
        assert np.unique(clip.joints[:, 0, :, layout.axes]).tolist() == [np.float32(0.8)]
    assert not clip.quality & quality.NO_HIPS


@pytest.mark.parametrize("name", facts.names("layouts"))
def test_place_and_unit_make_no_difference(name: str) -> None:
    layout = facts.layout(name)
    joints = walking(layout)
    moved = joints.copy()
    moved[..., : layout.axes] = 1000 * moved[..., : layout.axes] + 500
    one, other = (standard(made_of(each), layout).joints for each in (joints, moved))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_undetected_joints_stay_zeros_and_lend_no_position() -> None:
    layout = facts.layout("openpose18")
    joints = walking(layout)
    joints[3, 4] = 0
    joints[5, [8, 11]] = 0  # hips
    joints[7, 2, 2] = 0  # a position without a score
    clip = standard(made_of(joints), layout)
    for frame, joint in ((3, 4), (5, 8), (5, 11), (7, 2)):
        assert not clip.joints[frame, 0, joint].any()
    np.testing.assert_allclose(clip.origin[5], (clip.origin[4] + clip.origin[6]) / 2, rtol=1e-6)


def test_undetected_bones_do_not_count() -> None:
    layout = facts.layout("ntu25")
    joints = walking(layout)
    joints[:, 3] = 0
    joints[2:5, 9] = 0
    assert body_size.mean_bone(joints[:, None], layout) == pytest.approx(plain_mean_bone(joints, layout))


def test_a_custom_layout_needs_no_more_than_its_bones() -> None:
    layout = CROSS.layout("cross", "metre")
    cross = np.array([[0, 0, 0], [-2, 0, 0], [2, 0, 0], [0, 5, 0]]) + 5.0
    clip = standard(made_of(np.stack([cross] * 3)), layout)
    np.testing.assert_allclose(clip.joints[0, 0], (cross - 5) / 3, atol=1e-6)
    assert clip.origin[0].tolist() == [5, 5, 5]


def test_where_all_joints_stand_in_for_the_hips_the_clip_is_flagged() -> None:
    layout = facts.layout("coco17")
    joints = walking(layout)
    joints[:, [11, 12]] = 0
    clip = standard(made_of(joints), layout)
    assert clip.quality & quality.NO_HIPS
    others = [joint for joint in range(17) if joint not in (11, 12)]
    np.testing.assert_allclose(clip.joints[:, 0, others, :2].mean(axis=1), 0, atol=1e-5)


def test_joints_in_one_point_keep_their_scale() -> None:
    layout = facts.layout("ntu25")
    clip = standard(made_of(np.full((4, 25, 3), 3.0)), layout)
    assert clip.quality & quality.NO_HIPS
    assert clip.to_recorded.tolist() == np.eye(3).tolist()


def test_the_second_body_keeps_its_place_beside_the_first() -> None:
    layout = facts.layout("ntu25")
    joints = np.stack([walking(layout), walking(layout) + 2], axis=1)
    joints[4:6, 0] = 0  # the first body is absent: its hips are interpolated
    moved = steps.centre_hips(joints, layout)
    assert not moved.joints[4:6, 0].any()
    np.testing.assert_allclose(moved.joints[[0, 11], 1] - moved.joints[[0, 11], 0], 2)
    np.testing.assert_allclose(moved.origin[4], (2 * moved.origin[3] + moved.origin[6]) / 3)


def test_frames_without_a_body_are_dropped() -> None:
    clip = standard(recording([[], [(1, person(0)[0])], [], [(1, person(1)[0])]]), facts.layout("ntu25"))
    assert (len(clip.joints), len(clip.origin)) == (2, 2)
    assert clip.quality & quality.DROPPED_FRAMES
