"""Who is kept of a recording, and where: the first step of every recipe, from a Recording to joints (L, M, V, C).

M is at least 1 and at most the option `bodies`. A body that is absent from a frame is zeros there. A track is what one
body id does through a recording; an id that stands twice in one frame counts once there, the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prep.clip import Recording
from prep.preprocessing.steps import Joints, drop_blank_frames

# CTR-GCN, data/ntu/get_raw_denoised_data.py.
SHORT_TRACK = 11
WIDE_BODY = 0.8
MOSTLY_WIDE = 0.69754


def longest_tracks(recording: Recording, bodies: int = 4) -> Joints:
    """Every frame; slot m follows one body through the clip, the m-th in order of frames seen.

    Between equally long tracks the one with more motion comes first, then the one that appears first.
    """
    frame, tracks = _frame_of(recording), _tracks(recording)
    if len(tracks) > 1:
        tracks.sort(key=lambda rows: (-len(rows), -_motion(recording.joints[rows])))
    chosen = _blank(recording, recording.frames, min(bodies, len(tracks)))
    for slot, rows in enumerate(tracks[:bodies]):
        chosen[frame[rows], slot] = recording.joints[rows]
    return chosen


def slots(recording: Recording, bodies: int = 2) -> Joints:
    """Every frame; the body with id m lies in slot m, ids from `bodies` on are left out."""
    frame = _frame_of(recording)
    kept = (recording.body_id >= 0) & (recording.body_id < bodies)
    chosen = _blank(recording, recording.frames, bodies)
    chosen[frame[kept], recording.body_id[kept]] = recording.joints[kept]
    return chosen


def agcn_slots(recording: Recording, bodies: int = 2, slots: int = 4) -> Joints:
    """Every frame; a body is a place in the frame's order, whatever its id, and the liveliest `bodies` are kept.

    2s-AGCN, data_gen/ntu_gendata.py: places from `slots` on are not read; the energy of a place is the sum over axes
    of the standard deviation over its frames and joints; of equal energies the later place comes first.
    """
    placed = _places(recording, slots, max(slots, bodies))
    energy = [_energy(placed[:, slot]) for slot in range(placed.shape[1])]
    return placed[:, np.argsort(energy, kind="stable")[::-1][:bodies]]


def stgcn_people(recording: Recording, bodies: int = 2, people: int = 5) -> Joints:
    """Every frame; in each by itself the `bodies` poses with the highest summed scores, the highest first.

    For joints of x, y and score. st-gcn, feeder/feeder_kinetics.py: of a frame's poses the first `people` are read.
    Nobody is followed: a slot may show another person in every frame.
    """
    placed = _places(recording, people, max(people, bodies))
    order = np.argsort(-placed[..., 2].sum(axis=2, dtype=np.float64), axis=1, kind="stable")[:, :bodies]
    return np.take_along_axis(placed, order[..., None, None], axis=1)


def ctrgcn_actors(recording: Recording, bodies: int = 2) -> Joints:
    """The main actors; frames that show nobody are dropped, and the gaps of a track are closed up.

    CTR-GCN, data/ntu/get_raw_skes_data.py and get_raw_denoised_data.py. With several tracks the short and the wide
    ones are noise; the others, by falling motion, take the first slot that is free all the while.
    """
    shown = recording.bodies_per_frame > 0
    frame = (np.cumsum(shown) - 1)[_frame_of(recording)]
    tracks = [_Track(int(frame[rows[0]]), recording.joints[rows]) for rows in _tracks(recording)]
    if len(tracks) == 1:
        return tracks[0].joints[:, None]
    chosen = _blank(recording, int(shown.sum()), min(bodies, len(tracks)))
    if not tracks:
        return chosen
    actors = sorted(_without_noise(tracks), key=lambda track: -track.motion)
    # Spans of frames taken, as the source begins them: from 0 on, but the first slot's where its actor begins.
    spans = [(actors[0].start, actors[0].start)] + [(0, 0)] * (chosen.shape[1] - 1)
    for actor in actors:
        for slot, (start, end) in enumerate(spans):
            if min(end, actor.end) <= max(start, actor.start):
                chosen[actor.start : actor.end + 1, slot] = actor.joints
                spans[slot] = (min(start, actor.start), max(end, actor.end))
                break
    return drop_blank_frames(chosen)


def fill_nan(recording: Recording) -> Recording:
    """The same recording with a number for every NaN.

    A joint with a NaN among its coordinates takes the place where the same body last had it, else where it first has
    it; a joint that the body never has is put at the camera, (0, 0, 0).
    """
    if not np.isnan(recording.joints).any():
        return recording
    joints = recording.joints.copy()
    for rows in _by_id(recording):
        joints[rows] = _filled(joints[rows])
    return replace(recording, joints=joints)


@dataclass(frozen=True)
class _Track:
    """One body from frame `start` on, without gaps: joints (n, V, C)."""

    start: int
    joints: NDArray[np.float32]
    motion: float = 0.0

    @property
    def end(self) -> int:
        return self.start + len(self.joints) - 1


def _without_noise(tracks: Sequence[_Track]) -> list[_Track]:
    """Tracks that last and stand upright; should none last, the longest. At least one is left."""
    lasting = [track for track in tracks if len(track.joints) > SHORT_TRACK]
    lasting = lasting or [max(tracks, key=lambda track: len(track.joints))]
    kept, left = [], len(lasting)
    for track in lasting:
        motion = _motion(track.joints)
        if left > 1:
            upright = _upright(track.joints)
            if 1 - upright.mean() >= MOSTLY_WIDE:
                left -= 1
                continue
            if not upright.all():
                motion = min(motion, _motion(track.joints[upright]))
        kept.append(replace(track, motion=motion))
    return kept


def _upright(joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,): frames in which the body is at most 0.8 times as wide as it is high."""
    width, height = np.ptp(joints[..., :2], axis=1).T
    return width <= WIDE_BODY * height


def _motion(joints: NDArray[np.float32]) -> float:
    """Sum over axes of the variance over all frames and joints. The body's size is part of it, as in the source."""
    return float(joints.reshape(-1, joints.shape[-1]).var(axis=0).sum())


def _energy(joints: Joints) -> float:
    seen = joints[joints.any(axis=(1, 2))]
    return float(seen.std(axis=(0, 1), dtype=np.float64).sum()) if len(seen) else 0.0


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
    """As `_by_id`, at most one detection in a frame."""
    frame = _frame_of(recording)
    return [rows[np.diff(frame[rows], prepend=-1) > 0] for rows in _by_id(recording)]


def _places(recording: Recording, read: int, width: int) -> Joints:
    """(L, width, V, C): the first `read` bodies of each frame at their places in the file's order."""
    frame = _frame_of(recording)
    first = np.cumsum(recording.bodies_per_frame) - recording.bodies_per_frame
    place = np.arange(len(frame)) - first[frame]
    kept = place < read
    placed = _blank(recording, recording.frames, width)
    placed[frame[kept], place[kept]] = recording.joints[kept]
    return placed


def _blank(recording: Recording, frames: int, bodies: int) -> NDArray[np.float32]:
    return np.zeros((frames, max(1, bodies), *recording.joints.shape[1:]), recording.joints.dtype)


def _filled(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, V, C) without NaN."""
    seen = ~np.isnan(joints).any(axis=-1)
    last = np.maximum.accumulate(np.where(seen, np.arange(len(joints))[:, None], -1), axis=0)
    nearest = np.where(last >= 0, last, seen.argmax(axis=0))
    filled = np.take_along_axis(joints, nearest[..., None], axis=0)
    filled[:, ~seen.any(axis=0)] = 0
    return filled
