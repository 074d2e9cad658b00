"""Invented clips of Kinetics-skeleton, and the rule of prep.readers._link twice more.

`plain_link` goes joint by joint, without numpy. `numpy_link` is the arithmetic to which the compiled loop is held,
ties and near ties included.
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
    """18 joints about a place of the image; the share `found` of them, the others (0, 0, 0)."""
    random = np.random.default_rng(seed)
    joints = np.column_stack([random.normal(x, 0.03, 18), random.normal(y, 0.08, 18), random.uniform(0.1, 1.0, 18)])
    joints[random.random(18) > found] = 0
    return [(a, b, c) for a, b, c in joints.round(decimals).tolist()]


def person(joints: Pose) -> dict[str, list[float]]:
    """As the files have it."""
    return {"pose": [number for x, y, _ in joints for number in (x, y)], "score": [score for _, _, score in joints]}


def clip(frames: Sequence[Sequence[Pose]], label: str = "abseiling", index: int = 0) -> dict[str, Any]:
    """The object that a file holds."""
    shown = [
        {"frame_index": number, "skeleton": [person(joints) for joints in people]}
        for number, people in enumerate(frames, 1)
    ]
    return {"data": shown, "label": label, "label_index": index}


def text(value: Any) -> bytes:
    """A file's bytes, with three decimals as in real ones where Python writes fewer."""
    return json.dumps(value).encode()


def recording(frames: Sequence[Sequence[Pose]]) -> Recording:
    """As the reader has it, people told apart by the plain rule."""
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
            (distance, track, place)
            for track, (last, joints) in seen.items()
            for place, there in enumerate(people)
            if number - last - 1 <= gap and (distance := _distance(joints, there, reach)) < reach
        )
        chosen: dict[int, int] = {}
        for _, track, place in pairs:
            if track not in chosen.values() and place not in chosen:
                chosen[place] = track
        left = [place for place in range(len(people)) if place not in chosen]
        for place in sorted(left, key=lambda place: -sum(score for _, _, score in people[place])):
            chosen[place] = len(seen) + sum(track >= len(seen) for track in chosen.values())
        seen |= {track: (number, people[place]) for place, track in chosen.items()}
        tracks.append([chosen[place] for place in range(len(people))])
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
    """As `link`, where of equals the first in a frame is taken."""
    x, y, seen = joints[..., 0].copy(), joints[..., 1].copy(), joints[..., 2] > 0
    found = seen.sum(axis=1)
    track = np.empty(len(joints), np.int64)
    open_tracks = np.zeros(0, np.int64)  # the last pose of each, in order of their numbers
    begun = 0
    ends = np.cumsum(people)
    for number in np.flatnonzero(people).tolist():
        open_tracks = open_tracks[frame[open_tracks] >= number - gap - 1]
        poses = np.arange(ends[number] - people[number], ends[number])
        both = seen[open_tracks, None] & seen[poses]
        apart = np.sqrt((x[open_tracks, None] - x[poses]) ** 2 + (y[open_tracks, None] - y[poses]) ** 2)
        # Not over shared joints alone: OpenPose cuts a person in two at times, and a piece that shares one joint with
        # the other piece's track would be nearer than the person's own.
        shared = both.sum(axis=2)
        either = found[open_tracks, None] + found[poses] - shared
        distance = ((apart * both).sum(axis=2) + reach * (either - shared)) / np.maximum(either, 1)
        old, new = _nearest_pairs(np.where(shared > 0, distance, reach), reach)
        track[poses[new]] = track[open_tracks[old]]
        open_tracks[old] = poses[new]
        if len(new) < len(poses):
            left = np.delete(poses, new)
            track[left] = np.arange(begun, begun + len(left))
            begun += len(left)
            open_tracks = np.concatenate([open_tracks, left])
    return track


def _nearest_pairs(distance: NDArray[np.float32], reach: float) -> tuple[list[int], list[int]]:
    """Rows and columns of a matrix (tracks, poses), nearest first, each taken once, all nearer than `reach`."""
    near = np.flatnonzero(distance < reach)
    near = near[np.argsort(distance.ravel()[near], kind="stable")]
    old: list[int] = []
    new: list[int] = []
    for place in near.tolist():
        row, column = divmod(place, distance.shape[1])
        if row not in old and column not in new:
            old.append(row)
            new.append(column)
    return old, new
