"""Quality flags: each rule on a synthetic body that breaks only it, in metres and in an image; flags of real clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.shared import shared

from manifests.dataset import Dataset
from manifests.facts import dataset, layout
from prep.clip import Recording
from prep.formats import FindRequest, format_named
from prep.preprocessing import quality
from prep.preprocessing.bodies import fill_nan
from prep.preprocessing.quality import BODY_COUNT, BONE_JUMP, FLAGS, FROZEN, GHOST, LABEL, ZERO, detections, flags

SPACE, IMAGE = layout("kinect20"), layout("openpose18")
NAME = "a08_s01_e00_v01"  # the seventh class, label 6
LAYOUTS = pytest.mark.parametrize("body_layout", [SPACE, IMAGE], ids=lambda body_layout: body_layout.name)


def person(body_layout, frames: int = 30, seed: int = 0, at: float = 0.0) -> np.ndarray:
    """(frames, V, C): a tall body that sways; in an image smaller, with scores."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((len(body_layout.joints), 3))
    joints[:, 1] = np.linspace(0.2, 1.8, len(joints)) + 0.1
    joints[:, 0] = at + 0.15 * rng.standard_normal(len(joints))
    joints[:, 2] = 3.0
    moving = (
        joints
        + 0.1 * np.sin(np.arange(frames) / 3)[:, None, None]
        + 0.002 * rng.standard_normal((frames, *joints.shape))
    )
    if body_layout.unit == "image":
        moving[..., :2] /= 4
        moving[..., 2] = rng.random(moving.shape[:2])
    return moving.astype(np.float32)


def recording(*bodies: np.ndarray, label: int = 6, name: str = NAME) -> Recording:
    """All bodies in every frame."""
    frames = len(bodies[0])
    joints = np.stack(bodies, axis=1).reshape(-1, *bodies[0].shape[1:])
    return Recording(name, label, np.full(frames, len(bodies)), np.tile(np.arange(len(bodies)), frames), joints)


def flags_in(clip: Recording, body_layout, data: Dataset | None = None) -> int:
    return flags(clip, data or dataset("nw_ucla"), body_layout)


@LAYOUTS
def test_people_raise_no_flag(body_layout) -> None:
    assert flags_in(recording(person(body_layout)), body_layout) == 0
    assert flags_in(recording(person(body_layout), person(body_layout, seed=1, at=1.0)), body_layout) == 0


@LAYOUTS
def test_a_body_that_is_wide_is_a_ghost_beside_others_and_a_sleeper_alone(body_layout) -> None:
    lying = person(body_layout, seed=1)[..., [1, 0, 2]]
    assert flags_in(recording(lying), body_layout) == 0
    assert flags_in(recording(person(body_layout), lying), body_layout) == GHOST
    partly = np.concatenate([person(body_layout, seed=1)[:10], lying[10:]])  # wide in two thirds of its frames
    assert not flags_in(recording(person(body_layout), partly), body_layout) & GHOST
    short = recording(person(body_layout, 11), lying[:11])
    assert not flags_in(short, body_layout) & GHOST


@LAYOUTS
def test_a_thing_that_does_not_move_is_a_ghost(body_layout) -> None:
    still = np.repeat(person(body_layout)[:1], 30, axis=0)
    still[..., :2] += 1e-4 * np.random.default_rng(0).standard_normal(still[..., :2].shape).astype(np.float32)
    assert flags_in(recording(still), body_layout) == GHOST


@LAYOUTS
def test_frozen_frames_run_and_belong_to_one_body(body_layout) -> None:
    joints = person(body_layout)
    joints[5] = joints[4]
    assert flags_in(recording(joints), body_layout) == 0
    joints[6] = joints[4]
    assert flags_in(recording(joints), body_layout) == FROZEN
    bodies = detections(recording(person(body_layout, seed=1), joints), body_layout)
    assert np.flatnonzero(quality.frozen(bodies)).tolist() == [34, 35, 36]


def test_the_score_is_no_coordinate() -> None:
    joints = person(IMAGE)
    joints[..., 2] = np.random.default_rng(0).random(joints.shape[:2]) * 100
    assert flags_in(recording(joints), IMAGE) == 0
    joints[4:7, :, :2] = joints[4, :, :2]  # scores still change
    assert flags_in(recording(joints), IMAGE) == FROZEN
    joints[:, 3, :2], joints[:, 3, 2] = 0, 0.7
    assert not detections(recording(joints), IMAGE).seen[:, 3].any()


def test_a_joint_at_zero_is_missing_in_space_and_normal_in_an_image() -> None:
    joints, image = person(SPACE), person(IMAGE)
    joints[7, 19] = image[7, 13] = 0
    assert flags_in(recording(joints), SPACE) == ZERO
    image[:, 6:] = 0
    assert flags_in(recording(image), IMAGE) == 0
    image[:16, 4:] = 0  # four of eighteen joints, in over half the frames
    assert flags_in(recording(image), IMAGE) == ZERO


@LAYOUTS
def test_a_bone_may_not_jump_but_a_missing_joint_is_no_jump(body_layout) -> None:
    joints = person(body_layout)
    leaf = next(child for child, _ in body_layout.bones if child not in [parent for _, parent in body_layout.bones])
    size = float(detections(recording(joints), body_layout).size.mean())
    joints[9, leaf, :2] += 1.6 * size
    assert flags_in(recording(joints), body_layout) == 0
    joints[9, leaf, :2] += 2 * size
    assert flags_in(recording(joints), body_layout) == BONE_JUMP
    assert flags_in(recording(joints * 1000), body_layout) == BONE_JUMP
    joints[9, leaf] = 0
    assert not flags_in(recording(joints), body_layout) & BONE_JUMP


@LAYOUTS
def test_a_body_that_was_away_has_not_jumped(body_layout) -> None:
    joints = np.concatenate([person(body_layout, 10), 1.5 * person(body_layout, 10)])
    away = replace(recording(joints), bodies_per_frame=np.array([1] * 10 + [0] * 3 + [1] * 10))
    assert flags_in(away, body_layout) == BODY_COUNT | ZERO  # three frames with nobody
    early = replace(recording(joints), bodies_per_frame=np.array([0] * 3 + [1] * 20))
    assert not flags_in(early, body_layout) & ZERO


def test_detections_are_grouped_by_body_id() -> None:
    first, second = person(SPACE), person(SPACE, seed=1, at=1.0)
    mixed = recording(first, second)
    swapped = mixed.joints.reshape(30, 2, *first.shape[1:]).copy()
    swapped[1::2] = swapped[1::2, ::-1]
    ids = mixed.body_id.reshape(30, 2).copy()
    ids[1::2] = ids[1::2, ::-1]
    turned = replace(mixed, joints=swapped.reshape(mixed.joints.shape), body_id=ids.ravel())
    assert flags_in(turned, SPACE) == 0
    np.testing.assert_array_equal(detections(turned, SPACE).position, detections(mixed, SPACE).position)


def test_label_and_name() -> None:
    joints = person(SPACE)
    assert flags_in(recording(joints, label=7), SPACE) == LABEL
    assert flags_in(recording(joints, name="a07_s01_e00_v01"), SPACE) == LABEL  # an action that the dataset lacks
    assert flags_in(recording(joints, name="mine"), SPACE) == 0


def test_nobody_and_nothing() -> None:
    empty = Recording(NAME, 6, np.zeros(5, np.int64), np.zeros(0, np.int64), np.zeros((0, 20, 3), np.float32))
    assert flags_in(empty, SPACE) == 0
    assert flags_in(replace(empty, bodies_per_frame=np.zeros(0, np.int64)), SPACE) == 0
    single = recording(person(SPACE, 1))
    assert flags_in(single, SPACE) == 0


def test_flags_are_bits_of_their_own() -> None:
    assert [flag.bit for flag in FLAGS] == [1 << place for place in range(len(FLAGS))]
    assert FLAGS[-1].bit < 2**16


def test_what_real_clips_raise() -> None:
    counts = {flag.name: 0 for flag in FLAGS}
    for name, reader, path in (("nw_ucla", "nw_ucla", "nw_ucla.zip"), ("ntu120", "ntu", "ntu")):
        data, file_format = dataset(name), format_named(reader)
        for source in file_format.find(FindRequest(shared(f"data/{path}"), data)).sources:
            raised = flags_in(
                fill_nan(file_format.read(source, file_format.load(source), data)), layout(data.layout), data
            )
            for flag in FLAGS:
                counts[flag.name] += bool(raised & flag.bit)
    assert {name: count for name, count in counts.items() if count} == {"bone-jump": 13, "zero": 2}
