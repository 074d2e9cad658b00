"""Preprocessing steps: pure functions on the joints (L, M, V, C) of one clip.

A body that is absent from a frame is zeros there, before and after every step. Steps keep the data type. A step that
selects or reorders frames and bodies returns joints. A step that moves, turns or scales coordinates returns `Moved`:
the joints, and the affine map that leads back.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.preprocessing.body_size import detected, hip_path, mean_bone
from prep.preprocessing.moved import Joints, Moved


def present(joints: Joints) -> NDArray[np.bool_]:
    """(L, M): whether a body is present in a frame, that is, not all zeros.

    >>> present(np.array([[[[0.0, 1.0]], [[0.0, 0.0]]]])).tolist()
    [[True, False]]
    """
    return np.asarray(joints.any(axis=(2, 3)))


def drop_blank_frames(joints: Joints) -> Joints:
    """Drop the frames without a body: (L', M, V, C).

    >>> drop_blank_frames(np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1, 1)).ravel().tolist()
    [1.0]
    """
    return joints[present(joints).any(axis=1)]


def subtract_first_frame(joints: Joints, joint: int) -> Moved:
    """Translate all bodies so that `joint` of body 0 is the origin in the first frame with body 0.

    CTR-GCN, data/ntu/seq_transformation.py; the source takes a body for absent if its coordinates sum to zero.

    >>> moved = subtract_first_frame(np.array([0.0, 2.0, 5.0]).reshape(3, 1, 1, 1), joint=0)
    >>> moved.joints.ravel().tolist(), moved.origin.tolist()
    ([0.0, 0.0, 3.0], [2.0])
    """
    mask = present(joints)
    if not mask[:, 0].any():
        return Moved.start(joints)
    origin = joints[mask[:, 0].argmax(), 0, joint]
    moved = joints - origin
    moved[~mask] = 0
    return Moved(moved, np.eye(joints.shape[-1]), origin)


def centre_frames(joints: Joints, joint: int) -> Moved:
    """In each frame, subtract `joint` of body 0 from all bodies; joints at zero stay at zero.

    2s-AGCN, data_gen/preprocess.py. As in the source, a frame without body 0 is left as it is.

    >>> centre_frames(np.array([[2.0, 3.0], [5.0, 9.0]]).reshape(2, 1, 2, 1), joint=0).joints.ravel().tolist()
    [0.0, 1.0, 0.0, 4.0]
    """
    moved = joints - joints[:, :1, joint : joint + 1]
    moved[~joints.any(axis=-1)] = 0
    return Moved(moved, np.eye(joints.shape[-1]), joints[:, 0, joint])


def repeat_tail(joints: Joints) -> Joints:
    """Fill the frames after each body's last frame by repeating the body's clip from its beginning.

    A body that is absent from the first frame is compacted first: its frames then follow each other from frame 0. Gaps
    in other bodies stay. 2s-AGCN, data_gen/preprocess.py; the source repeats up to 300 frames, here a clip keeps its L.

    >>> repeat_tail(np.array([0.0, 1.0, 2.0, 0.0, 0.0]).reshape(5, 1, 1, 1)).ravel().tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    """
    repeated = joints.copy()
    frame = np.arange(len(joints))
    for body, mask in enumerate(present(joints).T):
        if not mask.any():
            continue
        occupied = frame[mask]
        period = frame[: occupied[-1] + 1] if mask[0] else occupied
        repeated[:, body] = joints[period[frame % len(period)], body]
    return repeated


def align(joints: Joints, start: int, end: int, axis: Literal["x", "y", "z"]) -> Moved:
    """Rotate all bodies so that in frame 0 the vector from joint `start` to joint `end` of body 0 points along `axis`.

    2s-AGCN, data_gen/preprocess.py: as in the source, parallel and antiparallel vectors are left as they are.

    >>> moved = align(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]).reshape(1, 1, 2, 3), 0, 1, "z")
    >>> moved.joints.round(9)[0, 0, 1].tolist()
    [0.0, 0.0, 2.0]
    """
    if not len(joints):
        return Moved.start(joints)
    bone = (joints[0, 0, end] - joints[0, 0, start]).astype(np.float64)
    rotation = _rotation(bone, np.eye(3)["xyz".index(axis)])
    return Moved((joints @ rotation.T).astype(joints.dtype), rotation.T, np.zeros(3))


def scale_axes(joints: Joints) -> Moved:
    """Scale each axis independently to the range -1 to 1 over the clip; an axis without extent becomes 0.

    The way back of an axis without extent is a column of zeros in `linear`, and its value in `origin`.

    CTR-GCN, feeders/feeder_ucla.py. Pitfall, as in the source: the proportions of the body are lost.

    >>> moved = scale_axes(np.array([1.0, 2.0, 5.0]).reshape(1, 1, 3, 1))
    >>> moved.joints.ravel().tolist(), moved.linear.tolist(), moved.origin.tolist()
    ([-1.0, -0.5, 1.0], [[2.0]], [3.0])
    """
    mask = present(joints)
    if not mask.any():
        return Moved.start(joints)
    low, high = joints[mask].min(axis=(0, 1)), joints[mask].max(axis=(0, 1))
    flat = high == low
    scaled = (joints - low) / (high - low + flat) * 2 - 1
    scaled[~mask] = 0
    low, high = low.astype(np.float64), high.astype(np.float64)
    return Moved(np.where(flat, 0, scaled).astype(joints.dtype), np.diag((high - low) / 2), (high + low) / 2)


def centre_image(joints: Joints, y: Literal["down", "up"] = "down") -> Moved:
    """Move the origin to the centre of an image of width and height 1, and optionally let y point up.

    For joints of x, y and score. A joint with score 0 was not detected and becomes zeros. st-gcn,
    feeder/feeder_kinetics.py; `y` up as in 2s-AGCN, data_gen/kinetics_gendata.py.

    >>> centre_image(np.array([[0.75, 0.5, 0.9], [0.0, 0.0, 0.0]]).reshape(1, 1, 2, 3)).joints.ravel().tolist()
    [0.25, 0.0, 0.9, 0.0, 0.0, 0.0]
    """
    moved = joints.copy()
    moved[..., :2] -= 0.5
    if y == "up":
        moved[..., 1] *= -1
    moved[joints[..., 2] == 0] = 0
    return Moved(moved, np.diag([1.0, -1.0 if y == "up" else 1.0, 1.0]), np.array([0.5, 0.5, 0.0]))


def scale_bones(joints: Joints, layout: Layout) -> Moved:
    """Divide all coordinates by the clip's mean bone length, which is the same number for all axes and bodies.

    Scores are kept; undetected joints become zeros. A clip without a detected bone keeps its scale, and is flagged.
    """
    length = mean_bone(joints, layout)
    factor = np.ones(joints.shape[-1])
    factor[: layout.axes] = length or 1
    seen = detected(joints, layout)
    scaled = (joints / factor).astype(joints.dtype)
    scaled[~seen] = 0
    return Moved(scaled, np.diag(factor), np.zeros(len(factor)), stand_in=bool(seen.any()) and not length)


def centre_hips(joints: Joints, layout: Layout) -> Moved:
    """In each frame, subtract the middle of the hips of body 0 from all bodies.

    A frame without them takes a position interpolated between its neighbours; in a clip without them all joints stand
    in, and the clip is flagged. Scores are kept; undetected joints become zeros.
    """
    path, stand_in = hip_path(joints, layout)
    origin = np.zeros((len(joints), joints.shape[-1]))
    origin[:, : layout.axes] = path
    moved = (joints - origin[:, None, None]).astype(joints.dtype)
    moved[~detected(joints, layout)] = 0
    return Moved(moved, np.eye(joints.shape[-1]), origin, stand_in)


def match_bodies(joints: Joints) -> Joints:
    """Reorder bodies so that each slot tracks one body; slot 0 has the highest total score.

    For joints of x, y and score. st-gcn, feeder/tools.py (`pose_matching`): between consecutive frames, bodies by
    decreasing score are greedily matched to the nearest unmatched body, by the sum of squared joint distances. Pitfall,
    as in the source: absent bodies and missing joints lie at (0, 0) and take part, so a body may match an empty slot.

    >>> match_bodies(np.array([[[0.1, 0, 3], [0.9, 0, 2]], [[0.9, 0, 3], [0.1, 0, 1]]]).reshape(2, 2, 1, 3))[:, 0, 0, 0]
    array([0.9, 0.9])
    """
    frames, bodies = joints.shape[:2]
    score = joints[..., 2].sum(axis=2, dtype=np.float64)
    position = joints[..., :2].astype(np.float64)
    distance = np.square(position[1:, None] - position[:-1, :, None]).sum(axis=(3, 4))
    step, to = np.arange(len(distance)), np.zeros((len(distance), bodies), np.int64)
    for body in np.argsort(-score[:-1], axis=1, kind="stable").T:
        to[step, body] = nearest = distance[step, body].argmin(axis=1)
        distance[step, :, nearest] = np.inf
    slot = np.tile(np.arange(bodies), (frames, 1))
    for frame, moves in enumerate(to):
        slot[frame + 1] = moves[slot[frame]]
    total = np.take_along_axis(score, slot, axis=1).sum(axis=0)
    slot = slot[:, np.argsort(-total, kind="stable")]
    return np.take_along_axis(joints, slot[..., None, None], axis=1)


def _rotation(bone: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation matrix (3, 3) from `bone`'s direction to the unit vector `target`, about their common normal."""
    normal = np.cross(bone, target)
    if np.abs(normal).sum() < 1e-6:
        return np.eye(3)
    length = np.linalg.norm(bone)
    sine, cosine = np.linalg.norm(normal) / length, bone @ target / length
    if np.arctan2(sine, cosine) < 1e-6:
        return np.eye(3)
    x, y, z = normal / np.linalg.norm(normal)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + sine * across + (1 - cosine) * across @ across


STEPS = (  # the functions that a pipeline may name
    drop_blank_frames,
    subtract_first_frame,
    centre_frames,
    repeat_tail,
    align,
    scale_axes,
    centre_image,
    match_bodies,
    scale_bones,
    centre_hips,
)
FRAME_STEPS = (drop_blank_frames, repeat_tail)  # those that drop or repeat frames
