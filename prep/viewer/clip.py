"""The joints of one clip as the page draws them: three numbers per joint, NaN where nothing is drawn."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.strict import hint
from prep.check.flag_location import clip_detections, locate_flag
from prep.check.measures import as_recorded
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.store.frames import Frames
from prep.store.read import Store

Coordinates = Literal["prepared", "recorded"]
# 14 minutes at 30 frames per second; 15 MB for two bodies of 25 joints.
MOST_FRAMES = 25_000


def frames_of(store: Store, clip: int) -> tuple[int, int]:
    """The rows start : stop of a clip, at most MOST_FRAMES of them."""
    start, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    return start, min(stop, start + MOST_FRAMES)


def drawn_joints(store: Store, clip: int, coordinates: Coordinates) -> NDArray[np.float32]:
    """(L, M, V, 3): joints of a clip, as prepared or as recorded; NaN for absent bodies, z is 0 in an image.

    In an image, where joints are often missing, a missing joint is NaN too. Raises StoreError if a block is damaged.
    """
    frames, layout = store.read_frames(*frames_of(store, clip)), store.info.layout
    seen = np.broadcast_to(frames.body_mask[..., None], frames.joints.shape[:3])
    if layout.is_image:
        position = frames.joints[..., layout.axes] if layout.scored else frames.joints[..., : layout.axes].any(axis=-1)
        seen = seen & (position != 0)
    joints = to_recorded(frames, store.to_recorded[clip]) if coordinates == "recorded" else frames.joints
    drawn = np.zeros((*joints.shape[:3], 3), np.float32)
    drawn[..., : layout.axes] = joints[..., : layout.axes]
    drawn[~seen] = np.nan
    return drawn


def to_recorded(frames: Frames, linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """(L, M, V, C): recorded coordinates, `linear` @ joint + origin; zeros for absent bodies.

    >>> one = Frames(np.ones((1, 1, 1, 2), "f4"), np.ones((1, 1), bool), np.array([[10, 20]], "f4"))
    >>> to_recorded(one, np.array([[2, 0], [0, 3]], "f4")).tolist()
    [[[[12.0, 23.0]]]]
    """
    recorded = frames.joints @ linear.T + frames.origin[:, None, None]
    return np.where(frames.body_mask[..., None, None], recorded, np.float32(0)).astype(np.float32)


def flagged_frames(store: Store, clip: int) -> dict[str, list[int]]:
    """Of each quality flag that a clip has, the frames of the drawn part that break its rule, if the store shows them.

    A preprocessing moves joints to the origin, which hides missing ones. Raises StoreError if a block is damaged.
    """
    wanted = [flag for flag in quality.FLAGS if int(store.quality[clip]) & flag.bit]
    if not wanted:
        return {}
    frames = store.read_frames(*frames_of(store, clip))
    bodies = clip_detections(frames.joints, frames.body_mask, store.info.layout)
    located = {f.name: locate_flag(f.bit, bodies, frames.body_mask, as_recorded(store)).frames for f in wanted}
    return {name: np.flatnonzero(broken).tolist() for name, broken in located.items() if broken.any()}


def upward(store: Store, clip: int, coordinates: Coordinates) -> str:
    """The axis that points up, as in Layout.up. A preprocessing may have turned the clip; then the nearest axis."""
    layout = store.info.layout
    axis, sign = layout.vertical
    linear = store.to_recorded[clip].astype(np.float64)
    if coordinates == "recorded" or layout.is_image or abs(np.linalg.det(linear)) < 1e-12:
        return layout.up
    up = np.zeros(len(linear))
    up[axis] = sign
    turned = np.linalg.solve(linear, up)[: layout.axes]
    nearest = int(np.abs(turned).argmax())
    return ("" if turned[nearest] > 0 else "-") + "xyz"[nearest]


def check_coordinates(name: str) -> Coordinates:
    """The kind of coordinates of that name. Raises PrepError.

    >>> check_coordinates("recorded")
    'recorded'
    """
    for known in get_args(Coordinates):
        if name == known:
            return known
    raise PrepError(f"`{name}` is no kind of coordinates. {hint(name, get_args(Coordinates))}")
