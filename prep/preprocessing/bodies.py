"""Body selection, the first step of every pipeline: which bodies of a Recording fill the slots of joints (L, M, V, C).

M is at least 1 and at most the option `bodies`. A body that is absent from a frame is zeros there. A track is the
sequence of detections with one body id; if an id occurs twice in a frame, only the first detection counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prep.clip import Recording
from prep.preprocessing.moved import Joints
from prep.preprocessing.steps import drop_blank_frames

# CTR-GCN, data/ntu/get_raw_denoised_data.py. Of several tracks, one of at most SHORT_TRACK frames is noise, and so is
# one whose width exceeds WIDE_BODY of its height in at least the share MOSTLY_WIDE of its frames.
SHORT_TRACK = 11
WIDE_BODY = 0.8
MOSTLY_WIDE = 0.69754


def longest_tracks(recording: Recording, bodies: int = 4) -> Joints:
    """Keep every frame; slot m holds the m-th longest track.

    Tracks of equal length are ordered by motion, largest first, then by first appearance.
    """
    frame, tracks = _frame_of(recording), _tracks(recording)
    if len(tracks) > 1:
        tracks.sort(key=lambda rows: (-len(rows), -_motion(recording.joints[rows])))
    chosen = _blank(recording, recording.frames, min(bodies, len(tracks)))
    for slot, rows in enumerate(tracks[:bodies]):
        chosen[frame[rows], slot] = recording.joints[rows]
    return chosen


def slots(recording: Recording, bodies: int = 2) -> Joints:
    """Keep every frame; slot m holds the body with id m. Ids of `bodies` and above are left out."""
    frame = _frame_of(recording)
    kept = (recording.body_id >= 0) & (recording.body_id < bodies)
    chosen = _blank(recording, recording.frames, bodies)
    chosen[frame[kept], recording.body_id[kept]] = recording.joints[kept]
    return chosen


def agcn_slots(recording: Recording, bodies: int = 2, slots: int = 4) -> Joints:
    """Keep every frame; a body is its position in the frame, not its id, and the `bodies` of most energy are kept.

    2s-AGCN, data_gen/ntu_gendata.py: only the first `slots` bodies of a frame are read. Energy is the sum over axes of
    the standard deviation over a body's frames and joints; of equal energies the later position comes first.
    """
    ordered = _in_file_order(recording, slots, max(slots, bodies))
    energy = [_energy(ordered[:, slot]) for slot in range(ordered.shape[1])]
    return ordered[:, np.argsort(energy, kind="stable")[::-1][:bodies]]


def stgcn_people(recording: Recording, bodies: int = 2, people: int = 5) -> Joints:
    """Keep every frame; in each, the `bodies` poses with the highest summed scores, highest first.

    For joints of x, y and score. st-gcn, feeder/feeder_kinetics.py: only the first `people` poses of a frame are read.
    Frames are sorted independently, without tracking: a slot may hold a different person in every frame.
    """
    ordered = _in_file_order(recording, people, max(people, bodies))
    order = np.argsort(-ordered[..., 2].sum(axis=2, dtype=np.float64), axis=1, kind="stable")[:, :bodies]
    return np.take_along_axis(ordered, order[..., None, None], axis=1)


def ctrgcn_actors(recording: Recording, bodies: int = 2) -> Joints:
    """Keep the main actors; frames without a body are dropped, and gaps inside a track are closed.

    CTR-GCN, data/ntu/get_raw_skes_data.py and get_raw_denoised_data.py. If there are several tracks, short and wide
    ones are dropped as noise. The others, by decreasing motion, take the first slot that is free for their whole span.
    """
    occupied = recording.bodies_per_frame > 0
    frame = (np.cumsum(occupied) - 1)[_frame_of(recording)]
    tracks = [_Track(int(frame[rows[0]]), recording.joints[rows]) for rows in _tracks(recording)]
    if len(tracks) == 1:
        return tracks[0].joints[:, None]
    chosen = _blank(recording, int(occupied.sum()), min(bodies, len(tracks)))
    if not tracks:
        return chosen
    actors = sorted(_without_noise(tracks), key=lambda track: -track.motion)
    # The occupied span of each slot. As in the source, it begins at frame 0 even where the first actor comes later,
    # except in the first slot, where it begins with its actor.
    spans = [(actors[0].start, actors[0].start)] + [(0, 0)] * (chosen.shape[1] - 1)
    for actor in actors:
        for slot, (start, end) in enumerate(spans):
            if min(end, actor.end) <= max(start, actor.start):
                chosen[actor.start : actor.end + 1, slot] = actor.joints
                spans[slot] = (min(start, actor.start), max(end, actor.end))
                break
    return drop_blank_frames(chosen)


def fill_nan(recording: Recording) -> Recording:
    """Replace every NaN by a number; a recording without NaN is returned as it is.

    A joint with a NaN coordinate takes its last valid position in the same body, else its first valid one. A joint that
    is never valid becomes (0, 0, 0), the camera's position.
    """
    if not np.isnan(recording.joints).any():
        return recording
    joints = recording.joints.copy()
    for rows in _by_id(recording):
        joints[rows] = _filled(joints[rows])
    return replace(recording, joints=joints)


@dataclass(frozen=True)
class _Track:
    """One body in consecutive frames from `start` on: joints (n, V, C)."""

    start: int
    joints: NDArray[np.float32]
    motion: float = 0.0

    @property
    def end(self) -> int:
        return self.start + len(self.joints) - 1


def _without_noise(tracks: Sequence[_Track]) -> list[_Track]:
    """Drop short tracks (if all are short, keep the longest) and then mostly wide ones; at least one is left."""
    long = [track for track in tracks if len(track.joints) > SHORT_TRACK]
    long = long or [max(tracks, key=lambda track: len(track.joints))]
    kept, remaining = [], len(long)
    for track in long:
        motion = _motion(track.joints)
        if remaining > 1:
            upright = _upright(track.joints)
            if 1 - upright.mean() >= MOSTLY_WIDE:
                remaining -= 1
                continue
            if not upright.all():
                motion = min(motion, _motion(track.joints[upright]))
        kept.append(replace(track, motion=motion))
    return kept


def _upright(joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,): frames in which the body's width is at most WIDE_BODY of its height."""
    width, height = np.ptp(joints[..., :2], axis=1).T
    return width <= WIDE_BODY * height


def _motion(joints: NDArray[np.float32]) -> float:
    """Sum over axes of the variance over all frames and joints. As in the source, larger bodies score higher."""
    return float(joints.reshape(-1, joints.shape[-1]).var(axis=0).sum())


def _energy(joints: Joints) -> float:
    present = joints[joints.any(axis=(1, 2))]
    return float(present.std(axis=(0, 1), dtype=np.float64).sum()) if len(present) else 0.0


def _frame_of(recording: Recording) -> NDArray[np.int64]:
    """(R,): the frame of each detection."""
    return np.repeat(np.arange(recording.frames), recording.bodies_per_frame)


def _by_id(recording: Recording) -> list[NDArray[np.int64]]:
    """The detections of each body id, in file order; ids in order of first appearance."""
    order = np.argsort(recording.body_id, kind="stable")
    ends = np.flatnonzero(np.diff(recording.body_id[order])) + 1
    if not len(ends):  # most clips
        return [order] if len(order) else []
    return sorted(np.split(order, ends), key=lambda rows: int(rows[0]))


def _tracks(recording: Recording) -> list[NDArray[np.int64]]:
    """As `_by_id`, with at most one detection per frame."""
    frame = _frame_of(recording)
    return [rows[np.diff(frame[rows], prepend=-1) > 0] for rows in _by_id(recording)]


def _in_file_order(recording: Recording, read: int, width: int) -> Joints:
    """(L, width, V, C): the first `read` bodies of each frame, each in the slot of its position in the frame."""
    frame = _frame_of(recording)
    first = np.cumsum(recording.bodies_per_frame) - recording.bodies_per_frame
    position = np.arange(len(frame)) - first[frame]
    kept = position < read
    ordered = _blank(recording, recording.frames, width)
    ordered[frame[kept], position[kept]] = recording.joints[kept]
    return ordered


def _blank(recording: Recording, frames: int, bodies: int) -> NDArray[np.float32]:
    return np.zeros((frames, max(1, bodies), *recording.joints.shape[1:]), recording.joints.dtype)


def _filled(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, V, C) of one body, without NaN."""
    valid = ~np.isnan(joints).any(axis=-1)
    last = np.maximum.accumulate(np.where(valid, np.arange(len(joints))[:, None], -1), axis=0)
    nearest = np.where(last >= 0, last, valid.argmax(axis=0))
    filled = np.take_along_axis(joints, nearest[..., None], axis=0)
    filled[:, ~valid.any(axis=0)] = 0
    return filled


STEPS = (longest_tracks, slots, agcn_slots, stgcn_people, ctrgcn_actors)  # the functions that a pipeline may name
