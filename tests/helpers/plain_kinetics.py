"""Synthetic clips of Kinetics-skeleton, and two references for prep.readers._link.

`plain_link` is the rule, joint by joint, without numpy. `numpy_link` has the arithmetic of the compiled function, so
that the two agree even in ties and near ties.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.clip import Recording

Joint = tuple[float, float, float]
Pose = Sequence[Joint]


def pose(seed: int, x: float = 0.5, y: float = 0.5, found: float = 0.7, decimals: int = 3) -> list[Joint]:
    """18 joints around a point of the image; a share `found` of them is visible, the others are (0, 0, 0)."""
    random = np.random.default_rng(seed)
    joints = np.column_stack([random.normal(x, 0.03, 18), random.normal(y, 0.08, 18), random.uniform(0.1, 1.0, 18)])
    joints[random.random(18) > found] = 0
    return [(a, b, c) for a, b, c in joints.round(decimals).tolist()]


def person(joints: Pose) -> dict[str, list[float]]:
    """A person as in the files."""
    return {"pose": [number for x, y, _ in joints for number in (x, y)], "score": [score for _, _, score in joints]}


def clip(frames: Sequence[Sequence[Pose]], label: str = "abseiling", index: int = 0) -> dict[str, Any]:
    """The JSON object of a file."""
    shown = [
        {"frame_index": number, "skeleton": [person(joints) for joints in people]}
        for number, people in enumerate(frames, 1)
    ]
    return {"data": shown, "label": label, "label_index": index}


def text(value: Any) -> bytes:
    """The bytes of a file."""
    return json.dumps(value).encode()


def recording(frames: Sequence[Sequence[Pose]]) -> Recording:
    """The reader's result, with people tracked by `plain_link`."""
    flat = [joints for people in frames for joints in people]
    return Recording(
        name="-0123456789",
        label=0,
        bodies_per_frame=np.array([len(people) for people in frames], np.int64),
        body_id=np.array([track for tracks in plain_link(frames) for track in tracks], np.int64),
        joints=np.array(flat, np.float32).reshape(-1, 18, 3),
    )


def plain_link(frames: Sequence[Sequence[Pose]], reach: float = 0.1, gap: int = 10) -> list[list[int]]:
    """The track of every pose, frame by frame."""
    seen: dict[int, tuple[int, Pose]] = {}
    tracks = []
    for number, people in enumerate(frames):
        pairs = sorted(
            (distance, track, index)
            for track, (last, joints) in seen.items()
            for index, joints_now in enumerate(people)
            if number - last - 1 <= gap and (distance := _distance(joints, joints_now, reach)) < reach
        )
        chosen: dict[int, int] = {}
        for _, track, index in pairs:
            if track not in chosen.values() and index not in chosen:
                chosen[index] = track
        left = [index for index in range(len(people)) if index not in chosen]
        for index in sorted(left, key=lambda index: -sum(score for _, _, score in people[index])):
            chosen[index] = len(seen) + sum(track >= len(seen) for track in chosen.values())
        seen |= {track: (number, people[index]) for index, track in chosen.items()}
        tracks.append([chosen[index] for index in range(len(people))])
    return tracks


def _distance(one: Pose, other: Pose, reach: float) -> float:
    moved = []
    for (x, y, score), (u, v, other_score) in zip(one, other, strict=True):
        if score > 0 and other_score > 0:
            moved.append(math.hypot(x - u, y - v))
        elif score > 0 or other_score > 0:
            moved.append(reach)
    return sum(moved) / len(moved) if moved else math.inf


def numpy_link(
    people: NDArray[np.int64], joints: NDArray[np.float32], reach: float = 0.1, gap: int = 10
) -> NDArray[np.int64]:
    """As prep.readers._link.link."""
    frame = np.repeat(np.arange(len(people)), people)
    x, y, score = joints.sum(axis=1).T
    order = np.lexsort((y, x, -score, frame))
    track = np.empty(len(joints), np.int64)
    track[order] = _follow(people, frame, joints[order], reach, gap)
    return track


def _follow(
    people: NDArray[np.int64], frame: NDArray[np.int64], joints: NDArray[np.float32], reach: float, gap: int
) -> NDArray[np.int64]:
    """As `link`; of equal poses the first in a frame is taken."""
    x, y, seen = joints[..., 0].copy(), joints[..., 1].copy(), joints[..., 2] > 0
    found = seen.sum(axis=1)
    track = np.empty(len(joints), np.int64)
    open_tracks = np.zeros(0, np.int64)  # the last pose of each open track, in order of their numbers
    next_track = 0
    ends = np.cumsum(people)
    for number in np.flatnonzero(people).tolist():
        open_tracks = open_tracks[frame[open_tracks] >= number - gap - 1]
        poses = np.arange(ends[number] - people[number], ends[number])
        both = seen[open_tracks, None] & seen[poses]
        apart = np.sqrt((x[open_tracks, None] - x[poses]) ** 2 + (y[open_tracks, None] - y[poses]) ** 2)
        shared = both.sum(axis=2)
        either = found[open_tracks, None] + found[poses] - shared
        distance = ((apart * both).sum(axis=2) + reach * (either - shared)) / np.maximum(either, 1)
        old, new = _nearest_pairs(np.where(shared > 0, distance, reach), reach)
        track[poses[new]] = track[open_tracks[old]]
        open_tracks[old] = poses[new]
        if len(new) < len(poses):
            left = np.delete(poses, new)
            track[left] = np.arange(next_track, next_track + len(left))
            next_track += len(left)
            open_tracks = np.concatenate([open_tracks, left])
    return track


def _nearest_pairs(distance: NDArray[np.float32], reach: float) -> tuple[list[int], list[int]]:
    """Rows and columns of a matrix (tracks, poses), nearest first, each taken once, all nearer than `reach`."""
    near = np.flatnonzero(distance < reach)
    near = near[np.argsort(distance.ravel()[near], kind="stable")]
    old: list[int] = []
    new: list[int] = []
    for pair in near.tolist():
        row, column = divmod(pair, distance.shape[1])
        if row not in old and column not in new:
            old.append(row)
            new.append(column)
    return old, new
