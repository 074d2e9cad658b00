"""A synthetic custom dataset: a folder of arrays and its dataset file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLIT = """
title = "Three to learn, two to tell apart"
source = "us"
dataset = "gestures"
protocol = "episodic"
seed = 0
train = [0, 1, 2]
test = [3, 4]
"""
MANIFEST = """
title = "Gestures"
source = "Our lab, 2026"
folder = "clips"
unit = "metre"
fps = 25.0
bodies = 1
classes = ["wave", "point", "sit down", "stand up", "clap"]
labels = "name"
pattern = 'a(?P<action>\\d+)_s(?P<subject>\\d+)_e(?P<repetition>\\d+)'
licence = "CC-BY-4.0"
redistribution = true

[custom_layout]
joints = ["hip", "neck", "head", "left hand", "right hand", "left foot", "right foot"]
bones = [[1, 0], [2, 1], [3, 1], [4, 1], [5, 0], [6, 0]]
mirror = [[3, 4], [5, 6]]
"""
STANDING = np.array(
    [[0, 0, 3], [0, 0.5, 3], [0, 0.7, 3], [-0.3, 0.1, 3], [0.3, 0.1, 3], [-0.1, -0.9, 3], [0.1, -0.9, 3]]
)
# A standing person, kinect20 in metres: spine, head, arms, legs.
KINECT = np.array(
    [[0, 0.0, 3], [0, 0.2, 3], [0, 0.5, 3], [0, 0.7, 3]]
    + [[side * x, y, 3] for side in (-1, 1) for x, y in ((0.2, 0.45), (0.3, 0.2), (0.35, 0.0), (0.36, -0.1))]
    + [[side * 0.1, y, 3] for side in (-1, 1) for y in (-0.05, -0.5, -0.9, -0.95)]
)
CLASSES, SUBJECTS = 5, 4


def joints(label: int, subject: int, frames: int = 20) -> NDArray[np.float32]:
    """(frames, 7, 3) metres: a standing person who moves one joint, differently in each class."""
    time = np.linspace(0, 2 * np.pi, frames)[:, None]
    body = np.repeat(STANDING[None], frames, axis=0)
    body[:, 2 + label % 5] += 0.2 * np.concatenate([np.sin((label + 1) * time), np.cos(time), 0 * time], axis=1)
    noise = np.random.default_rng([label, subject]).normal(0, 0.01, body.shape)
    return (body + noise).astype(np.float32)


def clips() -> dict[str, NDArray[np.float32]]:
    """Joints by name of the clip."""
    return {
        f"a{label + 1:02d}_s{subject}_e0": joints(label, subject, 20 + subject)
        for label in range(CLASSES)
        for subject in range(SUBJECTS)
    }


def write_own(folder: Path, old: str = "", new: str = "", arrays: Mapping[str, Any] | None = None) -> Path:
    """The dataset file `gestures.toml` in `folder`, with `old` replaced by `new`, and its clips as .npy files."""
    folder.mkdir(parents=True, exist_ok=True)
    assert old in MANIFEST
    (folder / "gestures.toml").write_text(MANIFEST.replace(old, new, 1) if old else MANIFEST, encoding="utf-8")
    (folder / "clips").mkdir()
    for name, array in (clips() if arrays is None else arrays).items():
        np.save(folder / "clips" / f"{name}.npy", array)
    return folder / "gestures.toml"
