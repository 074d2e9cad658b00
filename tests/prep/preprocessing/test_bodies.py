"""The two poses of each frame with the highest scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.plain_kinetics import Pose, pose, recording

from prep.preprocessing.bodies import stgcn_people


def at(x: float, score: float) -> Pose:
    return [(x, 0.5, score)] * 18


def tenths(joints: np.ndarray) -> list[list[int]]:
    """x of joint 0 of every body, frame by frame."""
    tens: list[list[int]] = (10 * joints[:, :, 0, 0]).round().astype(int).tolist()
    return tens


def test_each_frame_has_its_highest_scores_first() -> None:
    made = recording([[at(0.1, 0.3), at(0.2, 0.9), at(0.3, 0.6)], [], [at(0.4, 0.2)], [at(0.5, 0.1), at(0.6, 0.8)]])
    assert tenths(stgcn_people(made)) == [[2, 3], [0, 0], [4, 0], [6, 5]]


def test_of_a_crowd_the_first_five_are_read() -> None:
    made = recording([[at(number / 10, number / 10) for number in range(1, 8)]])
    assert tenths(stgcn_people(made)) == [[5, 4]]
    assert tenths(stgcn_people(made, bodies=3, people=2)) == [[2, 1, 0]]
    assert tenths(stgcn_people(made, bodies=1, people=7)) == [[7]]


def test_poses_with_equal_scores_keep_the_order_of_the_file() -> None:
    made = recording([[at(0.3, 0.5), at(0.1, 0.5), at(0.2, 0.5)]])
    assert tenths(stgcn_people(made)) == [[3, 1]]


@pytest.mark.parametrize("frames", [0, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_frame_is_kept_and_the_type_of_numbers(frames: int, dtype: type) -> None:
    made = recording([[pose(number), pose(9 + number)] for number in range(frames)])
    chosen = stgcn_people(replace(made, joints=made.joints.astype(dtype)))
    assert (chosen.shape, chosen.dtype) == ((frames, 2, 18, 3), np.dtype(dtype))
