"""Flags: each rule on a figure that breaks only it, in metres and in an image alike; what real clips raise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.shared import shared

from manifests.dataset import Dataset
from manifests.facts import dataset, layout
from prep.clip import Recording
from prep.formats import Request, format_named
from prep.preprocessing import quality
from prep.preprocessing.bodies import fill_nan
from prep.preprocessing.quality import BODY_COUNT, BONE_JUMP, FLAGS, FROZEN, GHOST, LABEL, ZERO, detections, flags

SPACE, IMAGE = layout("kinect20"), layout("openpose18")
NAME = "a08_s01_e00_v01"  # the seventh class, label 6
LAYOUTS = pytest.mark.parametrize("known", [SPACE, IMAGE], ids=lambda known: known.name)


def person(known, frames: int = 30, seed: int = 0, at: float = 0.0) -> np.ndarray:
    """(frames, V, C): a tall figure that sways; in an image smaller, with scores."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((len(known.joints), 3))
    joints[:, 1] = np.linspace(0.2, 1.8, len(joints)) + 0.1
    joints[:, 0] = at + 0.15 * rng.standard_normal(len(joints))
    joints[:, 2] = 3.0
    moving = (
        joints
        + 0.1 * np.sin(np.arange(frames) / 3)[:, None, None]
        + 0.002 * rng.standard_normal((frames, *joints.shape))
    )
    if known.unit == "image":
        moving[..., :2] /= 4
        moving[..., 2] = rng.random(moving.shape[:2])
    return moving.astype(np.float32)


def recording(*bodies: np.ndarray, label: int = 6, name: str = NAME) -> Recording:
    """Bodies that are all there in each frame."""
    frames = len(bodies[0])
    joints = np.stack(bodies, axis=1).reshape(-1, *bodies[0].shape[1:])
    return Recording(name, label, np.full(frames, len(bodies)), np.tile(np.arange(len(bodies)), frames), joints)


def found(given: Recording, known, data: Dataset | None = None) -> int:
    return flags(given, data or dataset("nw_ucla"), known)


@LAYOUTS
def test_people_raise_no_flag(known) -> None:
    assert found(recording(person(known)), known) == 0
    assert found(recording(person(known), person(known, seed=1, at=1.0)), known) == 0


@LAYOUTS
def test_a_body_that_is_wide_is_a_ghost_beside_others_and_a_sleeper_alone(known) -> None:
    lying = person(known, seed=1)[..., [1, 0, 2]]
    assert found(recording(lying), known) == 0
    assert found(recording(person(known), lying), known) == GHOST
    partly = np.concatenate([person(known, seed=1)[:10], lying[10:]])  # wide in two thirds of its frames
    assert not found(recording(person(known), partly), known) & GHOST
    short = recording(person(known, 11), lying[:11])
    assert not found(short, known) & GHOST


@LAYOUTS
def test_a_thing_that_does_not_move_is_a_ghost(known) -> None:
    held = np.repeat(person(known)[:1], 30, axis=0)
    held[..., :2] += 1e-4 * np.random.default_rng(0).standard_normal(held[..., :2].shape).astype(np.float32)
    assert found(recording(held), known) == GHOST


@LAYOUTS
def test_frozen_frames_run_and_belong_to_one_body(known) -> None:
    joints = person(known)
    joints[5] = joints[4]
    assert found(recording(joints), known) == 0
    joints[6] = joints[4]
    assert found(recording(joints), known) == FROZEN
    bodies = detections(recording(person(known, seed=1), joints), known)
    assert np.flatnonzero(quality.frozen(bodies)).tolist() == [34, 35, 36]


def test_the_score_is_no_coordinate() -> None:
    joints = person(IMAGE)
    joints[..., 2] = np.random.default_rng(0).random(joints.shape[:2]) * 100
    assert found(recording(joints), IMAGE) == 0
    joints[4:7, :, :2] = joints[4, :, :2]  # scores still change
    assert found(recording(joints), IMAGE) == FROZEN
    joints[:, 3, :2], joints[:, 3, 2] = 0, 0.7
    assert not detections(recording(joints), IMAGE).seen[:, 3].any()


def test_a_joint_at_zero_is_missing_in_space_and_normal_in_an_image() -> None:
    joints, image = person(SPACE), person(IMAGE)
    joints[7, 19] = image[7, 13] = 0
    assert found(recording(joints), SPACE) == ZERO
    image[:, 6:] = 0
    assert found(recording(image), IMAGE) == 0
    image[:16, 4:] = 0  # four of eighteen joints, in over half the frames
    assert found(recording(image), IMAGE) == ZERO


@LAYOUTS
def test_a_bone_may_not_jump_but_a_missing_joint_is_no_jump(known) -> None:
    joints = person(known)
    leaf = next(child for child, _ in known.bones if child not in [parent for _, parent in known.bones])
    size = float(detections(recording(joints), known).size.mean())
    joints[9, leaf, :2] += 1.6 * size
    assert found(recording(joints), known) == 0
    joints[9, leaf, :2] += 2 * size
    assert found(recording(joints), known) == BONE_JUMP
    assert found(recording(joints * 1000), known) == BONE_JUMP
    joints[9, leaf] = 0
    assert not found(recording(joints), known) & BONE_JUMP


@LAYOUTS
def test_a_body_that_was_away_has_not_jumped(known) -> None:
    joints = np.concatenate([person(known, 10), 1.5 * person(known, 10)])
    away = replace(recording(joints), bodies_per_frame=np.array([1] * 10 + [0] * 3 + [1] * 10))
    assert found(away, known) == BODY_COUNT | ZERO  # three frames with nobody
    early = replace(recording(joints), bodies_per_frame=np.array([0] * 3 + [1] * 20))
    assert not found(early, known) & ZERO


def test_bodies_of_one_file_are_told_apart() -> None:
    first, second = person(SPACE), person(SPACE, seed=1, at=1.0)
    mixed = recording(first, second)
    swapped = mixed.joints.reshape(30, 2, *first.shape[1:]).copy()
    swapped[1::2] = swapped[1::2, ::-1]
    ids = mixed.body_id.reshape(30, 2).copy()
    ids[1::2] = ids[1::2, ::-1]
    turned = replace(mixed, joints=swapped.reshape(mixed.joints.shape), body_id=ids.ravel())
    assert found(turned, SPACE) == 0
    np.testing.assert_array_equal(detections(turned, SPACE).position, detections(mixed, SPACE).position)


def test_label_and_name() -> None:
    joints = person(SPACE)
    assert found(recording(joints, label=7), SPACE) == LABEL
    assert found(recording(joints, name="a07_s01_e00_v01"), SPACE) == LABEL  # an action that the data set lacks
    assert found(recording(joints, name="mine"), SPACE) == 0


def test_nobody_and_nothing() -> None:
    empty = Recording(NAME, 6, np.zeros(5, np.int64), np.zeros(0, np.int64), np.zeros((0, 20, 3), np.float32))
    assert found(empty, SPACE) == 0
    assert found(replace(empty, bodies_per_frame=np.zeros(0, np.int64)), SPACE) == 0
    single = recording(person(SPACE, 1))
    assert found(single, SPACE) == 0


def test_flags_are_bits_of_their_own() -> None:
    assert [flag.bit for flag in FLAGS] == [1 << place for place in range(len(FLAGS))]
    assert FLAGS[-1].bit < 2**16


def test_what_real_clips_raise() -> None:
    counts = {flag.name: 0 for flag in FLAGS}
    for name, reader, path in (("nw_ucla", "nw_ucla", "nw_ucla.zip"), ("ntu120", "ntu", "ntu")):
        data, held = dataset(name), format_named(reader)
        for source in held.find(Request(shared(f"data/{path}"), data)).sources:
            raised = found(fill_nan(held.read(source, held.load(source), data)), layout(data.layout), data)
            for flag in FLAGS:
                counts[flag.name] += bool(raised & flag.bit)
    assert {name: count for name, count in counts.items() if count} == {"bone-jump": 13, "zero": 2}
