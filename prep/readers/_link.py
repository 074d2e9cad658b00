"""Who is who in consecutive frames, where a recording shows people without names (OpenPose finds poses, not persons).

The rule. A track is one person seen again and again, and stands where it was last seen. How far a pose is from a track
is the mean, over the joints that either has, of how far the joint moved; a joint that only one of them has counts as
moved by `REACH`. In each frame the nearest pair of a track and a pose is joined, then the nearest of those still free,
and so on, as long as they are less than `REACH` apart. A pose left over begins a track; a track that was not seen in
more than `GAP` frames running has ended. The rule is our own: the field's recipes for such recordings either follow
nobody or look at the two surest poses only.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# In parts of the image's width and height. In two crowded clips of Kinetics, over joints that both have: of the poses
# nearest to each other in neighbouring frames 99 in 100 are within 0.067, of the other pairs 5 in 100 within 0.08.
REACH = 0.1
# A third of a second at 30 frames per second.
GAP = 10

_compiled = njit(cache=True, nogil=True, error_model="numpy")


def link(
    people: NDArray[np.int64], joints: NDArray[np.float32], reach: float = REACH, gap: int = GAP
) -> NDArray[np.int64]:
    """(R,) int64: the track of each pose, numbered from 0 in order of appearance; none stands twice in one frame.

    `people` (L,) poses per frame; `joints` (R, V, 3) x, y and score, all finite, of all poses end to end, R =
    people.sum(). A joint with score 0 is missing; a pose without any is a track of its own. The order of poses within
    a frame has no influence, unless two are exactly as near or exactly alike: of tracks that begin together the surer
    is numbered first.

    >>> poses = np.array([[[0.5, 0.5, 1.0]], [[0.1, 0.5, 0.9]], [[0.12, 0.5, 0.9]], [[0.51, 0.5, 1.0]]])
    >>> link(np.array([2, 2]), poses).tolist()
    [0, 1, 1, 0]
    """
    frame = np.repeat(np.arange(len(people)), people)
    x, y, score = joints.sum(axis=1).T
    order = np.lexsort((y, x, -score, frame))
    # Coordinates by rows of a pose, so that distances are worked out several joints at a time.
    planes = np.ascontiguousarray(joints[order].transpose(2, 0, 1), np.float32)
    track = np.empty(len(joints), np.int64)
    track[order] = _follow(np.ascontiguousarray(people, np.int64), planes, float(reach), int(gap))
    return track


@_compiled
def _follow(people: NDArray[np.int64], planes: NDArray[np.float32], reach: float, gap: int) -> NDArray[np.int64]:
    """As `link`, of x, y and score as planes (3, R, V), where of equals the first in a frame is taken."""
    poses = planes.shape[1]
    track = np.empty(poses, np.int64)
    frame = np.empty(poses, np.int64)
    last = np.empty(poses, np.int64)  # the last pose of each open track, in order of their numbers
    tracks, begun, start = 0, 0, 0
    for number in range(len(people)):
        end = start + people[number]
        frame[start:end] = number
        track[start:end] = -1
        if start == end:
            continue
        kept = 0
        for row in range(tracks):
            if frame[last[row]] >= number - gap - 1:
                last[kept] = last[row]
                kept += 1
        tracks = kept
        _join(planes, last[:tracks], start, end, reach, track)
        for pose in range(start, end):
            if track[pose] < 0:
                track[pose] = begun
                last[tracks] = pose
                tracks += 1
                begun += 1
        start = end
    return track


@_compiled
def _join(
    planes: NDArray[np.float32],
    last: NDArray[np.int64],
    start: int,
    end: int,
    reach: float,
    track: NDArray[np.int64],
) -> None:
    """Give the poses from `start` to `end` the tracks of the nearest of `last`, which become these poses themselves.

    Nearest pair first, each taken once, all nearer than `reach`; of equal distances the older track and the first pose.
    """
    wide = end - start
    near = np.empty(len(last) * wide, np.int64)
    distance = np.empty(len(last) * wide)
    moved = np.empty(planes.shape[2], np.float32)
    count = 0
    for row in range(len(last)):
        for column in range(wide):
            apart = _distance(planes, last[row], start + column, reach, moved)
            if apart < reach:
                near[count], distance[count] = row * wide + column, apart
                count += 1
    taken = np.zeros(len(last), np.bool_)
    for place in np.argsort(distance[:count], kind="mergesort"):
        row, pose = near[place] // wide, start + near[place] % wide
        if not taken[row] and track[pose] < 0:
            track[pose] = track[last[row]]
            last[row] = pose
            taken[row] = True


@_compiled
def _distance(planes: NDArray[np.float32], old: int, new: int, reach: float, moved: NDArray[np.float32]) -> float:
    """How far two poses are apart; `reach` where they share no joint. `moved` (V,) is room to work in.

    Not over shared joints alone: OpenPose cuts a person in two at times, and a piece that shares one joint with the
    other piece's track would be nearer than the person's own.
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


@_compiled
def _sum(values: NDArray[np.float32]) -> np.float32:
    """Of at most 128 numbers, in the order in which numpy adds: tests compare bits, and near ties hang on the last."""
    whole = len(values) // 8 * 8
    total = np.float32(0)
    if whole:
        for place in range(8, whole):
            values[place % 8] += values[place]
        left = (values[0] + values[1]) + (values[2] + values[3])
        total = left + ((values[4] + values[5]) + (values[6] + values[7]))
    for place in range(whole, len(values)):
        total += values[place]
    return total
