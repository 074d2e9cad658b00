"""The steps of preparation recipes: pure functions on the joints (L, M, V, C) of one clip.

A body that is absent from a frame is zeros there, before and after every step. The type of the numbers is kept.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Joints = NDArray[np.floating[Any]]


def present(joints: Joints) -> NDArray[np.bool_]:
    """(L, M): whether a body is there.

    >>> present(np.array([[[[0.0, 1.0]], [[0.0, 0.0]]]])).tolist()
    [[True, False]]
    """
    return np.asarray(joints.any(axis=(2, 3)))


def drop_blank_frames(joints: Joints) -> Joints:
    """Only the frames that show somebody: (L', M, V, C).

    >>> drop_blank_frames(np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1, 1)).ravel().tolist()
    [1.0]
    """
    return joints[present(joints).any(axis=1)]


def subtract_first_frame(joints: Joints, joint: int) -> Joints:
    """Move everybody so that `joint` of body 0 is the origin in the first frame that shows body 0.

    CTR-GCN, data/ntu/seq_transformation.py, which knows an absent body by a zero sum rather than by zeros.

    >>> subtract_first_frame(np.array([0.0, 2.0, 5.0]).reshape(3, 1, 1, 1), joint=0).ravel().tolist()
    [0.0, 0.0, 3.0]
    """
    seen = present(joints)
    if not seen[:, 0].any():
        return joints
    moved = joints - joints[seen[:, 0].argmax(), 0, joint]
    moved[~seen] = 0
    return moved


def centre_frames(joints: Joints, joint: int) -> Joints:
    """Subtract `joint` of body 0 in each frame from everybody in it; joints at zero stay there.

    2s-AGCN, data_gen/preprocess.py. In a frame without body 0 nothing is moved, as there.

    >>> centre_frames(np.array([[2.0, 3.0], [5.0, 9.0]]).reshape(2, 1, 2, 1), joint=0).ravel().tolist()
    [0.0, 1.0, 0.0, 4.0]
    """
    moved = joints - joints[:, :1, joint : joint + 1]
    moved[~joints.any(axis=-1)] = 0
    return moved


def repeat_tail(joints: Joints) -> Joints:
    """Fill each body's frames after its last by playing its clip again from the beginning.

    A body that is absent from the first frame is pushed together first: its frames follow each other from frame 0.
    Gaps of the others stay. 2s-AGCN, data_gen/preprocess.py, where clips are 300 frames long; here they keep their L.

    >>> repeat_tail(np.array([0.0, 1.0, 2.0, 0.0, 0.0]).reshape(5, 1, 1, 1)).ravel().tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    """
    played = joints.copy()
    frame = np.arange(len(joints))
    for body, seen in enumerate(present(joints).T):
        if not seen.any():
            continue
        shown = frame[seen]
        kept = frame[: shown[-1] + 1] if seen[0] else shown
        played[:, body] = joints[kept[frame % len(kept)], body]
    return played


def align(joints: Joints, start: int, end: int, axis: Literal["x", "y", "z"]) -> Joints:
    """Turn everybody so that body 0, in frame 0, points along `axis` from joint `start` to joint `end`.

    2s-AGCN, data_gen/preprocess.py: nothing turns when the two are parallel, opposite ones included.

    >>> align(np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]).reshape(1, 1, 2, 3), 0, 1, "z").round(9)[0, 0, 1].tolist()
    [0.0, 0.0, 2.0]
    """
    if not len(joints):
        return joints
    bone = (joints[0, 0, end] - joints[0, 0, start]).astype(np.float64)
    turn = _rotation(bone, np.eye(3)["xyz".index(axis)])
    return (joints @ turn.T).astype(joints.dtype)


def scale_axes(joints: Joints) -> Joints:
    """Stretch each axis by itself so that it runs from -1 to 1 over the clip; an axis without extent becomes 0.

    CTR-GCN, feeders/feeder_ucla.py. The proportions of the body are lost there, and so here.

    >>> scale_axes(np.array([1.0, 2.0, 5.0]).reshape(1, 1, 3, 1)).ravel().tolist()
    [-1.0, -0.5, 1.0]
    """
    seen = present(joints)
    if not seen.any():
        return joints
    low, high = joints[seen].min(axis=(0, 1)), joints[seen].max(axis=(0, 1))
    flat = high == low
    scaled = (joints - low) / (high - low + flat) * 2 - 1
    scaled[~seen] = 0
    return np.where(flat, 0, scaled).astype(joints.dtype)


def centre_image(joints: Joints, y: Literal["down", "up"] = "down") -> Joints:
    """For joints of x, y and score: the origin in the middle of an image of width and height 1; y turned `up` if asked.

    A joint with score 0 was not found and becomes zeros. st-gcn, feeder/feeder_kinetics.py; up: 2s-AGCN,
    data_gen/kinetics_gendata.py.

    >>> centre_image(np.array([[0.75, 0.5, 0.9], [0.0, 0.0, 0.0]]).reshape(1, 1, 2, 3)).ravel().tolist()
    [0.25, 0.0, 0.9, 0.0, 0.0, 0.0]
    """
    moved = joints.copy()
    moved[..., :2] -= 0.5
    if y == "up":
        moved[..., 1] *= -1
    moved[joints[..., 2] == 0] = 0
    return moved


def match_bodies(joints: Joints) -> Joints:
    """For joints of x, y and score: let each slot follow one body, the body with the highest scores in slot 0.

    st-gcn, feeder/tools.py (`pose_matching`): from frame to frame the bodies, by falling score, each go to the nearest
    one that is free, by the sum of squared distances of all joints. An absent body and a missing joint lie at (0, 0)
    there, so that a body may go to an empty place; and so here.

    >>> match_bodies(np.array([[[0.1, 0, 3], [0.9, 0, 2]], [[0.9, 0, 3], [0.1, 0, 1]]]).reshape(2, 2, 1, 3))[:, 0, 0, 0]
    array([0.9, 0.9])
    """
    frames, bodies = joints.shape[:2]
    score = joints[..., 2].sum(axis=2, dtype=np.float64)
    place = joints[..., :2].astype(np.float64)
    distance = np.square(place[1:, None] - place[:-1, :, None]).sum(axis=(3, 4))
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
    """The matrix (3, 3) that turns `bone` about their common normal into the unit vector `target`."""
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
