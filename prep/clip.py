"""The values that travel from a reader to a store: Source, Recording, Clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A larger coordinate could not be squared and summed in float32.
LARGEST_COORDINATE = 1e12


def is_far(numbers: NDArray[Any]) -> bool:
    """Whether a number is infinite or beyond LARGEST_COORDINATE; NaN is not. No copy of the numbers is made.

    >>> is_far(np.array([1.0, np.nan])), is_far(np.array([-np.inf]))
    (False, True)
    """
    lowest, highest = (float(extreme.reduce(numbers, axis=None, initial=0)) for extreme in (np.fmin, np.fmax))
    return max(-lowest, highest) > LARGEST_COORDINATE


@dataclass(frozen=True)
class Recording:
    """One raw file as read: every body of every frame, in file order, without any selection.

    `bodies_per_frame` (L,) int64; the detections of all frames end to end, R = bodies_per_frame.sum():
    `body_id` (R,) int64 identifies a person across frames, `joints` (R, V, C) float32 in the unit of the layout
    (NaN where the file says NaN). A recording may have zero frames.
    `picture` (R, 4) float32 are left, top, right and bottom of each detection's joints in the image, as fractions of
    its width and height (NaN: unknown); None if the file has no image coordinates.
    `to_recorded` (C, C) and `origin` (L, C) lead from `joints` back to recorded coordinates, see Clip; None where the
    joints are as recorded, or where the file does not know it.
    `label` is 0-based; subject, camera, setup and repetition come from the file name, -1 if it does not have them.
    """

    name: str
    label: int
    bodies_per_frame: NDArray[np.int64]
    body_id: NDArray[np.int64]
    joints: NDArray[np.float32]
    subject: int = -1
    camera: int = -1
    setup: int = -1
    repetition: int = -1
    picture: NDArray[np.float32] | None = None
    to_recorded: NDArray[np.float32] | None = None
    origin: NDArray[np.float32] | None = None

    @property
    def frames(self) -> int:
        """L, the number of frames in the file."""
        return len(self.bodies_per_frame)


@dataclass(frozen=True)
class Clip:
    """One recording of one action after preprocessing: `joints` float32 (L, M, V, C), `body_mask` bool (L, M).

    An absent body is zeros and False in the mask. L may be zero. `to_recorded` float32 (C, C) and `origin` float32
    (L, C) give recorded coordinates back, up to rounding: recorded = to_recorded @ joint + origin. `quality` is the sum
    of the clip's flags (prep.preprocessing.quality).
    """

    joints: NDArray[np.float32]
    body_mask: NDArray[np.bool_]
    to_recorded: NDArray[np.float32]
    origin: NDArray[np.float32]
    quality: int = 0


@dataclass(frozen=True)
class Source:
    """The location of one recording's bytes: a file (`member` is empty) or a member of a zip.

    `name` identifies the clip; `stamp` changes when the file does (size and time, or zip CRC). `label` is 0-based if it
    comes from a label file or an array of labels, else -1. `rows` are start and stop of this clip in a file with
    several clips: frames of an untrimmed recording, or rows of an array.
    """

    name: str
    path: str
    member: str
    size: int
    stamp: str
    label: int = -1
    rows: tuple[int, int] = (0, 0)
