"""Tracking of people in consecutive frames, for recordings without ids (OpenPose detects poses, not people).

The rule. A track is one person detected again and again, and is where the person was last detected. The distance of a
pose from a track is the mean, over the joints that either has, of the distance that the joint moved; a joint that only
one of them has counts as moved by `REACH`. In each frame the nearest pair of a track and a pose is joined, then the
nearest of those still free, and so on, as long as they are less than `REACH` apart. A pose left over starts a new
track. A track without a pose in more than `GAP` frames in a row has ended. The rule is our own: the field's usual
preprocessing of such recordings either tracks nobody or takes the two poses with the highest scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prep.readers._compile import compiled

# As a fraction of the image's width and height. In two crowded clips of Kinetics, over joints that both have, 99 % of
# the poses nearest to each other in neighbouring frames are within 0.067, and 5 % of the other pairs within 0.08.
REACH = 0.1
# A third of a second at 30 frames per second.
GAP = 10


def link(
    people: NDArray[np.int64], joints: NDArray[np.float32], reach: float = REACH, gap: int = GAP
) -> NDArray[np.int64]:
    """(R,) int64: the track of each pose, numbered from 0 in order of appearance; no track has two poses in a frame.

    `people` (L,) are the poses per frame, `joints` (R, V, 3) the finite x, y and score of all poses end to end, R =
    people.sum(). A joint with score 0 is missing; a pose without joints is a track of its own. The order of poses
    within a frame has no influence, unless two are equally near or identical: of tracks that start in the same frame
    the one with the higher score is numbered first.

    >>> poses = np.array([[[0.5, 0.5, 1.0]], [[0.1, 0.5, 0.9]], [[0.12, 0.5, 0.9]], [[0.51, 0.5, 1.0]]])
    >>> link(np.array([2, 2]), poses).tolist()
    [0, 1, 1, 0]
    """
    frame = np.repeat(np.arange(len(people)), people)
    x, y, score = joints.sum(axis=1).T
    order = np.lexsort((y, x, -score, frame))
    # One row of a pose per coordinate, so that distances are computed several joints at a time.
    planes = np.ascontiguousarray(joints[order].transpose(2, 0, 1), np.float32)
    track = np.empty(len(joints), np.int64)
    track[order] = _follow(np.ascontiguousarray(people, np.int64), planes, float(reach), int(gap))
    return track


@compiled
def _follow(people: NDArray[np.int64], planes: NDArray[np.float32], reach: float, gap: int) -> NDArray[np.int64]:
    """As `link`, with x, y and score as planes (3, R, V); of equal poses the first in a frame is taken."""
    poses = planes.shape[1]
    track = np.empty(poses, np.int64)
    frame = np.empty(poses, np.int64)
    last = np.empty(poses, np.int64)  # the last pose of each open track, in order of their numbers
    open_tracks, next_track, start = 0, 0, 0
    for number in range(len(people)):
        end = start + people[number]
        frame[start:end] = number
        track[start:end] = -1
        if start == end:
            continue
        kept = 0
        for row in range(open_tracks):
            if frame[last[row]] >= number - gap - 1:
                last[kept] = last[row]
                kept += 1
        open_tracks = kept
        _join(planes, last[:open_tracks], start, end, reach, track)
        for pose in range(start, end):
            if track[pose] < 0:
                track[pose] = next_track
                last[open_tracks] = pose
                open_tracks += 1
                next_track += 1
        start = end
    return track


@compiled
def _join(
    planes: NDArray[np.float32],
    last: NDArray[np.int64],
    start: int,
    end: int,
    reach: float,
    track: NDArray[np.int64],
) -> None:
    """Assign poses `start` to `end` to the tracks whose last poses are `last`, and update `last`.

    Nearest pair first, each pose and track once, all nearer than `reach`; of equal distances the older track and the
    first pose.
    """
    poses = end - start
    near = np.empty(len(last) * poses, np.int64)
    distance = np.empty(len(last) * poses)
    moved = np.empty(planes.shape[2], np.float32)
    count = 0
    for row in range(len(last)):
        for column in range(poses):
            apart = _distance(planes, last[row], start + column, reach, moved)
            if apart < reach:
                near[count], distance[count] = row * poses + column, apart
                count += 1
    taken = np.zeros(len(last), np.bool_)
    for pair in near[np.argsort(distance[:count], kind="mergesort")]:
        row, pose = pair // poses, start + pair % poses
        if not taken[row] and track[pose] < 0:
            track[pose] = track[last[row]]
            last[row] = pose
            taken[row] = True


@compiled
def _distance(planes: NDArray[np.float32], old: int, new: int, reach: float, moved: NDArray[np.float32]) -> float:
    """The distance between two poses; `reach` if they share no joint. `moved` (V,) is scratch memory.

    Joints of one pose alone count too: OpenPose sometimes splits a person in two, and a part that shares one joint
    with the other part's track would be nearer than the person's own track.
    """
    shared, either = 0, 0
    for joint in range(len(moved)):
        before, now = planes[2, old, joint] > 0, planes[2, new, joint] > 0
        x = planes[0, old, joint] - planes[0, new, joint]
        y = planes[1, old, joint] - planes[1, new, joint]
        moved[joint] = np.sqrt(x * x + y * y) if before & now else np.float32(0)
        shared += before & now
        either += before | now
    if shared == 0:
        return reach
    return (np.float64(_sum(moved)) + reach * (either - shared)) / either


@compiled
def _sum(values: NDArray[np.float32]) -> np.float32:
    """The sum of at most 128 numbers, in numpy's order of addition: near ties depend on the last bit."""
    whole = len(values) // 8 * 8
    total = np.float32(0)
    if whole:
        for index in range(8, whole):
            values[index % 8] += values[index]
        left = (values[0] + values[1]) + (values[2] + values[3])
        total = left + ((values[4] + values[5]) + (values[6] + values[7]))
    for index in range(whole, len(values)):
        total += values[index]
    return total
