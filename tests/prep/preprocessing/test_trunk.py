"""The preprocessing `standard`: bodies centred at the hips and scaled by the trunk, in every layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic_ntu import person, recording

from manifests import facts
from manifests.custom import CustomLayout
from manifests.layout import Layout
from prep.clip import Clip, Recording
from prep.preprocessing import quality, steps, trunk
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


@pytest.mark.parametrize("name", facts.names("layouts"))
def test_the_hips_lie_at_zero_and_the_trunk_has_length_1(name: str) -> None:
    layout = facts.layout(name)
    clip = standard(made_of(walking(layout)), layout)
    hips, shoulders = (clip.joints[:, 0, list(group), : layout.axes].mean(axis=1) for group in trunks(layout))
    np.testing.assert_allclose(hips, 0, atol=1e-5)
    assert np.median(np.linalg.norm(shoulders - hips, axis=-1)) == pytest.approx(1, abs=1e-4)
    if layout.scored:
        assert np.unique(clip.joints[:, 0, :, layout.axes]).tolist() == [np.float32(0.8)]
    assert not clip.quality & quality.NO_TRUNK


def trunks(layout: Layout) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return layout.hips, layout.shoulders


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


def test_a_layout_without_shoulders_is_scaled_by_its_joints() -> None:
    layout = CROSS.layout("cross", "metre")
    cross = np.array([[0, 0, 0], [-2, 0, 0], [2, 0, 0], [0, 4, 0]]) + 5.0
    length, stand_in = trunk.trunk_length(np.stack([cross] * 3)[:, None], layout)
    assert (length, stand_in) == (pytest.approx(8 / 3), False)


@pytest.mark.parametrize("fault", ["no hips", "short trunk", "no trunk"])
def test_where_other_joints_stand_in_the_clip_is_flagged(fault: str) -> None:
    layout = facts.layout("ntu25")
    joints = walking(layout)
    if fault == "short trunk":
        joints[:, 20] = joints[:, 0] + 1e-3
    else:
        joints[:, list(layout.hips if fault == "no hips" else layout.shoulders)] = 0
    clip = standard(made_of(joints), layout)
    assert clip.quality & quality.NO_TRUNK
    length, stand_in = trunk.trunk_length(joints[:, None], layout)
    seen = [(c, p) for c, p in layout.bones if joints[0, c].any() and joints[0, p].any()]
    bones = [np.linalg.norm(joints[:, c] - joints[:, p], axis=-1).mean() for c, p in seen]
    assert (length, stand_in) == (pytest.approx(np.mean(bones)), True)


def test_joints_in_one_point_keep_their_scale() -> None:
    layout = facts.layout("ntu25")
    clip = standard(made_of(np.full((4, 25, 3), 3.0)), layout)
    assert clip.quality & quality.NO_TRUNK
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
