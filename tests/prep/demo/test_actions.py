"""Each demo action looks like its name, and classification is neither trivial nor impossible."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from prep.demo.actions import ACTIONS, AT_EASE, Action, columns
from prep.demo.body import ARMS, LEGS, Array, Body, pose_joints
from prep.demo.generate import plan
from prep.demo.simulation import FPS, Key, simulate

HEAD, SPINE, MIDDLE, RIGHT_HAND, LEFT_HAND, RIGHT_FOOT, LEFT_FOOT = 3, 0, 1, 11, 7, 18, 14
NOVEL = ("punch right", "kick left", "clap", "turn around", "drink right", "squat")
BACK = 2


def keys(name: str) -> Array:
    """(poses, 25, 3): the key poses of an action by an average person, without noise."""
    action: Action = ACTIONS[name]
    steps = [action.start, *(pose for _, pose in action.cycle), action.end[1]]
    return pose_joints(Body(), np.stack([pose.vector() for pose in steps]))


def forward(joints: Array, joint: int) -> Array:
    """How far a joint is in front of the spine, in each pose."""
    return joints[:, SPINE, BACK] - joints[:, joint, BACK]


def test_bones_keep_their_lengths() -> None:
    chains = [
        (0, 1),
        (20, 2),
        (2, 3),
        *((a, b) for limb in (*ARMS, *LEGS) for a, b in pairwise(limb[:4])),
    ]
    for name in ACTIONS:
        joints = keys(name)
        for a, b in chains:
            assert np.ptp(np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)) < 1e-6, (name, a, b)


@pytest.mark.parametrize("name", ["wave right hand", "raise right arm"])
def test_a_right_hand_goes_up_and_the_left_stays(name: str) -> None:
    joints = keys(name)
    assert (joints[:, RIGHT_HAND, 1] > joints[:, HEAD, 1] - 0.05).any()
    assert (joints[:, LEFT_HAND, 1] < joints[:, SPINE, 1]).all()


@pytest.mark.parametrize(
    ("right", "left"),
    [
        ("wave right hand", "wave left hand"),
        ("raise right arm", "raise left arm"),
        ("punch right", "punch left"),
        ("kick right", "kick left"),
    ],
)
def test_left_is_the_mirror_image_of_right(right: str, left: str) -> None:
    swap = np.arange(25)
    for a, b in zip((*ARMS[0], *LEGS[0]), (*ARMS[1], *LEGS[1]), strict=True):
        swap[[a, b]] = b, a
    np.testing.assert_allclose(keys(left), keys(right)[:, swap] * [-1, 1, 1], atol=1e-9)


@pytest.mark.parametrize("name", ["wave both hands", "jumping jack", "stretch overhead"])
def test_both_hands_go_up(name: str) -> None:
    joints = keys(name)
    assert (joints[:, [RIGHT_HAND, LEFT_HAND], 1].min(1) > joints[:, HEAD, 1] - 0.05).any()


def test_hands_and_feet_reach_forward() -> None:
    assert forward(keys("punch right"), RIGHT_HAND).max() > 0.6 > forward(keys("punch right"), LEFT_HAND).max() + 0.1
    assert forward(keys("kick right"), RIGHT_FOOT).max() > 0.5 > forward(keys("kick right"), LEFT_FOOT).max()
    pushed, pulled = forward(keys("push with both hands"), LEFT_HAND), forward(keys("pull with both hands"), LEFT_HAND)
    assert pushed.argmax() > 1
    assert pulled[-2] < 0.2 < 0.5 < pulled[1]


def test_the_whole_body() -> None:
    height = {name: keys(name)[:, SPINE, 1] for name in ACTIONS}
    rest = height["bow"][0]
    assert height["squat"].min() < rest - 0.3
    assert height["jump"].max() > rest + 0.2
    assert height["sit down"][-1] < rest - 0.3 < height["sit down"][0]
    assert height["stand up"][0] < rest - 0.3 < height["stand up"][-1]
    assert forward(keys("bow"), HEAD).max() > 0.5
    turned = keys("turn around")[-1]
    assert turned[8, 0] < turned[4, 0]
    lean = keys("lean sideways")[:, HEAD, 0]
    assert lean.max() > 0.2
    assert lean.min() < -0.2
    assert forward(keys("throw right"), RIGHT_HAND).min() < 0 < 0.5 < forward(keys("throw right"), RIGHT_HAND).max()


def test_hands_and_feet_meet() -> None:
    hands = keys("clap")
    apart = np.linalg.norm(hands[:, RIGHT_HAND] - hands[:, LEFT_HAND], axis=-1)
    assert apart.min() < 0.1
    drink = keys("drink right")
    assert np.linalg.norm(drink[:, RIGHT_HAND] - drink[:, HEAD], axis=-1).min() < 0.2
    marching = keys("march")
    assert marching[:, RIGHT_FOOT, 1].argmax() != marching[:, LEFT_FOOT, 1].argmax()


def test_columns_follow_the_fields() -> None:
    assert columns("left_foot") == slice(16, len(AT_EASE.vector()))
    with pytest.raises(ValueError, match="`nose` is not a field of Pose"):
        columns("nose")


def test_sensor_faults_are_there_and_rare() -> None:
    clips = [simulate(0, key) for key in some_keys(480)]
    assert 0.01 < np.mean([clip.bodies_per_frame.max() == 2 for clip in clips]) < 0.08
    assert 0.04 < np.mean([clip.bodies_per_frame[0] == 0 for clip in clips]) < 0.13
    assert 0.03 < np.mean([np.mean(clip.state == 1) for clip in clips]) < 0.15
    frames = np.array([len(clip.bodies_per_frame) for clip in clips])
    assert frames.min() >= FPS
    assert frames.max() <= 4 * FPS
    assert np.ptp(frames) > 60


def some_keys(clips: int) -> list[Key]:
    return [Key(*(int(name[at : at + 3]) for at in (1, 5, 9, 13, 17))) for name in plan(clips)]


def turned_upright(joints: Array) -> Array:
    """The pipeline agcn: middle of the spine to the origin, the first frame's spine along z, its shoulders along x."""
    joints = joints - joints[:, MIDDLE : MIDDLE + 1]
    up = joints[0, MIDDLE] - joints[0, SPINE]
    up /= np.linalg.norm(up)
    right = joints[0, 8] - joints[0, 4]
    right -= right @ up * up
    right /= np.linalg.norm(right)
    return joints @ np.stack([right, np.cross(up, right), up], axis=1)


def sampled(key: Key, seed: int) -> Array:
    """(30 * 75,): the person of one clip, rotated upright, at 30 frames."""
    clip = simulate(seed, key)
    joints = turned_upright(clip.joints[clip.body_id == clip.actor])
    return joints[np.linspace(0, len(joints) - 1, 30).round().astype(int)].ravel()


def one_shot(flat: Array, label: Array, classes: list[int], rng: np.random.Generator) -> float:
    """Accuracy in percent of the nearest neighbour in 600 tasks of five classes, one example each."""
    square = (flat**2).sum(1)
    gap = square[:, None] + square - 2 * flat @ flat.T
    right = []
    for _ in range(600):
        chosen = rng.choice(classes, 5, replace=False)
        pairs = np.stack([rng.choice(np.flatnonzero(label == c), 2, replace=False) for c in chosen])
        right.append((gap[np.ix_(pairs[:, 1], pairs[:, 0])].argmin(1) == np.arange(5)).mean())
    return 100 * float(np.mean(right))


@pytest.mark.parametrize("seed", [0, 1])
def test_nearest_neighbour_is_neither_lost_nor_done(seed: int) -> None:
    keys = some_keys(240)
    flat, label = np.stack([sampled(key, seed) for key in keys]), np.array([key.action - 1 for key in keys])
    rng = np.random.default_rng(0)
    everything, novel = list(range(24)), [list(ACTIONS).index(name) for name in NOVEL]
    assert 40 < one_shot(flat, label, everything, rng) < 75
    assert 40 < one_shot(flat, label, novel, rng) < 75
