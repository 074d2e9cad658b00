"""Raw files of MSR Action Pairs and PKU-MMD with the demo's simulated people in them, for whole commands without data.

No number measured on them says anything about the datasets: the actions are the demo's, under the datasets' names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.synthetic_kinect import msr_text
from helpers.synthetic_pku import label_text, skeleton_text, write
from numpy.typing import NDArray

from prep.demo.generate import CLASSES
from prep.demo.simulation import Key, simulate

KINECT_V1 = [0, 1, 20, *range(3, 20)]
"""The joints of a Kinect v2 that a Kinect v1 has, in its order."""
PAUSE = 10
"""Frames between two actions of an untrimmed recording."""


def write_msr_pairs(root: Path, classes: int = 12, subjects: int = 10, repetitions: int = 3) -> Path:
    """`aAA_sSS_eEE.txt`: one person, 20 joints, 12 actions."""
    files = {}
    for action in range(1, classes + 1):
        for subject in range(1, subjects + 1):
            for repetition in range(1, repetitions + 1):
                joints = _person(action, subject, repetition, 1)[:, KINECT_V1]
                name = f"skeletons/a{action:02d}_s{subject:02d}_e{repetition:02d}.txt"
                files[name] = msr_text(list(joints[:, None].round(6)))
    return write(root, files)


def write_pku_mmd(root: Path, classes: int = 51, subjects: int = 4, per_recording: int = 17) -> Path:
    """Untrimmed `XXXX-V.txt` in three views, each with `per_recording` actions and a pause between, and its labels."""
    files, number = {}, 0
    for subject in range(1, subjects + 1):
        for first in range(0, classes, per_recording):
            number += 1
            for camera, view in enumerate("LMR", 1):
                actions = range(first, min(first + per_recording, classes))
                frames, rows = _recording(actions, subject, camera)
                files[f"PKU_Skeleton_Renew/{number:04d}-{view}.txt"] = skeleton_text(frames)
                files[f"Train_Label_PKU_final/{number:04d}-{view}.txt"] = label_text(rows)
    return write(root, files)


def _recording(
    actions: range, subject: int, camera: int
) -> tuple[NDArray[np.float64], list[tuple[int, int, int, int]]]:
    """(L, 2, 25, 3) with an empty second body, and `action,start,end,confidence` counted from 1."""
    parts, rows, at = [], [], 0
    for action in actions:
        joints = _person(action + 1, subject, 1, camera)
        rest = np.repeat(joints[-1:], PAUSE, axis=0)
        rows.append((action + 1, at + 1, at + len(joints), 2))
        parts += [joints, rest]
        at += len(joints) + PAUSE
    body = np.concatenate(parts)
    return np.stack([body, np.zeros_like(body)], axis=1), rows


def _person(action: int, subject: int, repetition: int, camera: int) -> NDArray[np.float64]:
    """(L, 25, 3) metres of the actor in every frame. Beyond the demo's actions: mirrored, then backwards as well."""
    turn, at = divmod(action - 1, len(CLASSES))
    clip = simulate(31, Key(1, camera, subject, repetition, at + 1))
    joints = clip.joints[clip.body_id == clip.actor] * ([-1.0, 1.0, 1.0] if turn else [1.0, 1.0, 1.0])
    return joints[::-1] if turn > 1 else joints
