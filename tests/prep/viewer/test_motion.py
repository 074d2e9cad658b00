"""Speed and jerk of clips, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.viewing import clips_for_viewing, standing

from manifests.facts import layout
from prep.progress import result
from prep.store.read import Store
from prep.viewer.motion import measure_motion, motion_of

NTU = layout("ntu25")


def plain(joints: np.ndarray, mask: np.ndarray, degree: int) -> float:
    """The mean length of a difference, body by body and joint by joint, in mean bone lengths."""
    sizes = [
        np.mean([np.linalg.norm(joints[t, m, child] - joints[t, m, parent]) for child, parent in NTU.bones])
        for t, m in np.argwhere(mask)
    ]
    lengths = []
    for m in range(mask.shape[1]):
        for t in range(len(joints) - degree):
            if mask[t : t + degree + 1, m].all():
                lengths += np.linalg.norm(np.diff(joints[t : t + degree + 1, m], n=degree, axis=0)[0], axis=-1).tolist()
    return float(np.mean(lengths) / np.mean(sizes)) if lengths else np.nan


@pytest.mark.parametrize("clip", [0, 2, 3, 9])
def test_motion_is_the_mean_over_bodies_joints_and_frames(clip: int) -> None:
    joints = clips_for_viewing()[clip]
    mask = joints.any(axis=(2, 3))
    assert motion_of(joints, mask, NTU) == pytest.approx((plain(joints, mask, 1), plain(joints, mask, 3)), nan_ok=True)


def test_a_body_that_comes_back_has_not_moved_meanwhile() -> None:
    joints = standing(6)
    joints[3:] += 5
    mask = np.array([[True], [True], [False], [True], [True], [True]])
    joints[~mask] = 0
    assert motion_of(joints, mask, NTU)[0] == 0
    assert np.isnan(motion_of(joints, np.zeros((6, 1), bool), NTU)).all()


def test_a_store_is_measured_in_recorded_coordinates_whose_scale_cancels(store: Store) -> None:
    motion = result(measure_motion(store))
    plainly = [motion_of(clip, clip.any(axis=(2, 3)), NTU) for clip in clips_for_viewing()]
    assert np.stack([motion.speed, motion.jerk], axis=1) == pytest.approx(
        np.array(plainly), rel=1e-4, abs=1e-6, nan_ok=True
    )
