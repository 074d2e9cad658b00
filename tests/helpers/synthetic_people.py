"""Two custom datasets of simulated people, with layouts, units and axes unlike those that ship.

`write_gym`: 13 joints in space, z up, centimetres, seen from all around, people of many sizes and of either hand.
`write_street`: 15 image joints with a detector's score, some undetected, two cameras, one or two people.

The motion is the demo's, with other seeds, and classes that fix no side of the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep.demo.generate import CLASSES
from prep.demo.simulation import Key, simulate

Array = NDArray[np.float64]
CLIPS_PER_CLASS, SUBJECTS = 20, 10
# Kinect v2's numbers of left and right joints.
MIRRORED = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 23, 24, 21, 22]

GYM_TRAIN = (
    "wave right hand",
    "raise right arm",
    "kick right",
    "jump",
    "sit down",
    "push with both hands",
    "throw right",
)
GYM_TRAIN += ("march", "jumping jack", "lean sideways")
GYM_TEST = ("punch right", "squat", "clap", "drink right", "bow")
GYM_JOINTS = (14, 18, 13, 17, 12, 16, 6, 10, 5, 9, 4, 8, 3)
GYM = """
title = "Exercises in a gym"
source = "simulated"
folder = "takes"
unit = "centimetre"
fps = 30.0
classes = {classes}
labels = "folder"
licence = "not decided"
redistribution = false

[custom_layout]
joints = ["lfoot", "rfoot", "lknee", "rknee", "lhip", "rhip", "lfist", "rfist", "lelb", "relb", "lsho", "rsho", "skull"]
bones = [[10, 12], [11, 12], [8, 10], [9, 11], [6, 8], [7, 9], [4, 10], [5, 11], [2, 4], [3, 5], [0, 2], [1, 3]]
mirror = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
hips = [4, 5]
up = "z"
"""

STREET_TRAIN = ("wave both hands", "raise right arm", "kick right", "jump", "stand up", "push with both hands", "march")
STREET_TRAIN += ("stretch overhead",)
STREET_VAL = ("bow", "pull with both hands", "lean sideways", "wave right hand")
STREET_TEST = ("punch right", "squat", "clap", "throw right", "turn around")
STREET_JOINTS = (3, 20, 8, 9, 10, 4, 5, 6, 16, 17, 18, 12, 13, 14, 1)
FOCAL, CENTRE = 1050.0, np.array([960.0, 540.0])
STREET = """
title = "People in a street"
source = "simulated"
folder = "poses"
unit = "pixel"
fps = 30.0
bodies = 2
classes = {classes}
labels = "labels.csv"
licence = "not decided"
redistribution = false

[custom_layout]
joints = ["head", "neck", "rsho", "relb", "rwri", "lsho", "lelb", "lwri", "rhip", "rknee", "rank", "lhip", "lknee",
    "lank", "chest"]
bones = [[0, 1], [1, 14], [2, 1], [3, 2], [4, 3], [5, 1], [6, 5], [7, 6], [8, 14], [9, 8], [10, 9], [11, 14], [12, 11],
    [13, 12]]
coordinates = 3
mirror = [[5, 2], [6, 3], [7, 4], [11, 8], [12, 9], [13, 10]]
hips = [8, 11]
"""
SPLIT = """
title = "Classes of {dataset}"
source = "mine"
dataset = "{dataset}"
protocol = "episodic"
seed = 0
train = {train}
val = {val}
test = {test}
"""


@dataclass(frozen=True)
class Custom:
    """The dataset file and the split file of a custom dataset."""

    dataset: Path
    split: Path


def write_gym(folder: Path, seed: int = 11) -> Custom:
    """300 clips `takes/<class>/<name>.npy` of shape (L, 13, 3); 10 base and 5 test classes."""
    classes = GYM_TRAIN + GYM_TEST
    for action, person, number in takes(classes):
        path = folder / "takes" / action / f"{person:02d}_{number:02d}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, gym_clip(seed, action, person, number).astype(np.float32))
    return _written(folder, "gym", GYM, classes, [GYM_TRAIN, (), GYM_TEST])


def write_street(folder: Path, seed: int = 12) -> Custom:
    """340 clips `poses/<name>.npz` of shape (L, 15, 3) or (L, 2, 15, 3); 8 base, 4 validation and 5 test classes."""
    classes, rows = STREET_TRAIN + STREET_VAL + STREET_TEST, ["name,label"]
    (folder / "poses").mkdir(parents=True)
    for action, person, number in takes(classes):
        name = f"{classes.index(action):02d}_{person:02d}_{number:02d}"
        np.savez(folder / "poses" / f"{name}.npz", joints=street_clip(seed, action, person, number).astype(np.float32))
        rows.append(f"{name},{action}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return _written(folder, "street", STREET, classes, [STREET_TRAIN, STREET_VAL, STREET_TEST])


def write_split(custom: Custom, name: str, parts: Mapping[str, Sequence[int]]) -> Path:
    """Another split of the same dataset: the labels of `train`, `val` and `test`."""
    path = custom.split.with_name(f"{name}.toml")
    labels = {part: list(parts.get(part, ())) for part in ("train", "val", "test")}
    path.write_text(SPLIT.format(dataset=custom.dataset.stem, **labels), encoding="utf-8")
    return path


def takes(classes: Sequence[str]) -> list[tuple[str, int, int]]:
    """(class, person from 1, number from 0) of every clip: each person performs each action equally often."""
    return [(action, 1 + n % SUBJECTS, n) for action in classes for n in range(CLIPS_PER_CLASS)]


def gym_clip(seed: int, action: str, person: int, number: int) -> Array:
    """(L, 13, 3): centimetres, x and y on the floor, z up; zeros where nobody is seen."""
    rng, joints, _ = _performed(seed, action, person, 1 + number % 3, number)
    seen = joints.any(axis=(1, 2), keepdims=True)
    if person % 5 < 2:  # left-handed
        joints = joints[:, MIRRORED] * [-1, 1, 1]
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    size = np.random.default_rng([seed, person]).uniform(0.7, 1.15)
    moved = size * (joints[:, GYM_JOINTS] - [0, 0, 3]) @ turn.T + [rng.uniform(-3, 3), 1.3 * size, rng.uniform(-3, 3)]
    noisy = moved + rng.normal(0, 0.01, moved.shape)
    return seen * 100 * noisy[..., [0, 2, 1]] * [1, -1, 1]


def street_clip(seed: int, action: str, person: int, number: int) -> Array:
    """(L, 15, 3) or, where a second person takes part, (L, 2, 15, 3): x and y in pixels, y down, and the score."""
    rng, joints, state = _performed(seed, action, person, (1, 3)[number % 2], number)
    bodies = [_detected(rng, joints, state)]
    if rng.random() < 0.3:
        _, joints, state = _performed(seed, action, 1 + person % SUBJECTS, (1, 3)[number % 2], 100 + number)
        beside = np.array([rng.choice([-1.1, 1.1]), 0, 0.4])
        joints = np.where(joints.any(axis=(1, 2), keepdims=True), joints + beside, 0)
        bodies.append(_detected(rng, joints, state))
        bodies = bodies if rng.random() < 0.5 else bodies[::-1]
    if len(bodies) == 1:
        return bodies[0]
    both = np.zeros((max(map(len, bodies)), 2, *bodies[0].shape[1:]))
    for slot, body in enumerate(bodies):
        both[: len(body), slot] = body
    return both


def _performed(
    seed: int, action: str, person: int, camera: int, number: int
) -> tuple[np.random.Generator, Array, NDArray[np.int64]]:
    """A generator for this clip, and the actor's joints (L, 25, 3) and tracking state (L, 25); zeros if not seen."""
    key = Key(setup=1, camera=camera, subject=person, repetition=1 + number, action=1 + _number(action))
    clip = simulate(seed, key)
    frame, mine = np.repeat(np.arange(len(clip.bodies_per_frame)), clip.bodies_per_frame), clip.body_id == clip.actor
    joints, state = np.zeros((len(clip.bodies_per_frame), 25, 3)), np.zeros((len(clip.bodies_per_frame), 25), np.int64)
    joints[frame[mine]], state[frame[mine]] = clip.joints[mine], clip.state[mine]
    return np.random.default_rng([seed, key.action, person, number]), joints, state


@cache
def _number(action: str) -> int:
    return CLASSES.index(action)


def _detected(rng: np.random.Generator, joints: Array, state: NDArray[np.int64]) -> Array:
    """(L, 15, 3): pixels of a pinhole camera and the score; half of the occluded joints and 3 % of all are zeros."""
    joints, state = joints[:, STREET_JOINTS], state[:, STREET_JOINTS]
    depth = np.where(state > 0, joints[..., 2], 1)
    pixels = CENTRE + FOCAL * joints[..., :2] * [1, -1] / depth[..., None] + rng.normal(0, 3, joints[..., :2].shape)
    score = np.where(state == 2, rng.uniform(0.6, 1, state.shape), rng.uniform(0.2, 0.6, state.shape))
    lost = (state == 0) | ((state == 1) & (rng.random(state.shape) < 0.5)) | (rng.random(state.shape) < 0.03)
    return np.where(lost[..., None], 0, np.concatenate([pixels, score[..., None]], axis=-1))


def _written(folder: Path, name: str, text: str, classes: Sequence[str], parts: Sequence[Sequence[str]]) -> Custom:
    custom = Custom(folder / f"{name}.toml", folder / "my_split.toml")
    # A TOML list of plain strings is written as Python writes it.
    custom.dataset.write_text(text.format(classes=list(classes)), encoding="utf-8")
    labels = [[classes.index(action) for action in part] for part in parts]
    write_split(custom, "my_split", dict(zip(("train", "val", "test"), labels, strict=True)))
    return custom
