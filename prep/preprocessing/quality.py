"""Quality flags of a clip, one bit each, and the rules that set them.

The rules read the joints as recorded, before preprocessing translates, rotates or scales them. Lengths are measured in
bone lengths of the same body, so that the rules hold in metres and in image coordinates alike. A joint at zero on every
axis is missing: Kinect and OpenPose both write it so. The detection score, the third number of an image layout, is not
a coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.layout import Layout
from prep.clip import Recording, Source
from prep.preprocessing.bodies import MOSTLY_WIDE, SHORT_TRACK, WIDE_BODY
from prep.preprocessing.label import label_of

RULES = 2  # rises whenever a rule changes, so that the parts of an unfinished build are converted again

EMPTY = 1
NAN = 2
EXTRA_BODIES = 4
DROPPED_FRAMES = 8
GHOST = 16
FROZEN = 32
ZERO = 64
BONE_JUMP = 128
BODY_COUNT = 256
LABEL = 512
NO_HIPS = 1024

# In mean bone lengths, about 2 cm for an adult. The extent of the calmest of 1,455 recorded bodies in metres is 0.92
# (NW-UCLA a01_s01_e04_v03).
STILL = 0.1
# Among 1,484 clips of NW-UCLA a frame is repeated once, never twice in a row.
FROZEN_FRAMES = 3
# In mean bone lengths of the same body, about 40 cm for an adult: 13 of 1,484 clips of NW-UCLA, none of seven of NTU.
JUMP = 2.0
# Joints are often missing in image layouts: 13 to 69 % of them in five clips of Kinetics.
FEW_JOINTS = 0.25
MOSTLY_FEW = 0.5


@dataclass(frozen=True)
class Flag:
    """One bit, its name, and its meaning as shown to users."""

    bit: int
    name: str
    meaning: str


FLAGS = (
    Flag(EMPTY, "empty", "no frames, or no body in any frame"),
    Flag(NAN, "nan", "the file has NaN coordinates; they were filled in"),
    Flag(EXTRA_BODIES, "extra-bodies", "some frames of the file have more bodies than the clip keeps"),
    Flag(DROPPED_FRAMES, "dropped-frames", "the clip has fewer frames than the file"),
    Flag(GHOST, "ghost", f"a body wider than {WIDE_BODY:g} of its height beside others, or one that does not move"),
    Flag(FROZEN, "frozen", f"a body is bit-identical in {FROZEN_FRAMES} or more consecutive frames"),
    Flag(ZERO, "zero", "joints at zero, or frames without a body between frames with one"),
    Flag(BONE_JUMP, "bone-jump", f"a bone's length changes by over {JUMP:g} mean bone lengths between two frames"),
    Flag(BODY_COUNT, "body-count", "the number of bodies changes during the clip"),
    Flag(LABEL, "label", "the label differs from the action in the file name"),
    Flag(NO_HIPS, "no-hips", "no hips or no bones were detected; the clip is centred at other joints or not scaled"),
)


@dataclass(frozen=True)
class Detections:
    """The R detections of a clip, grouped by body and in each body sorted by frame.

    `frame` (R,) and `body` (R,), an id per person; `position` (axes, R, V), zeros for a missing joint; `frames` is L.
    Axes come first because sums over a short last axis are slow.
    """

    layout: Layout
    frames: int
    frame: NDArray[np.int64]
    body: NDArray[np.int64]
    position: NDArray[np.floating[Any]]

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(R, V): joints that are not missing."""
        return np.asarray((self.position != 0).any(axis=0))

    @cached_property
    def follows(self) -> NDArray[np.bool_]:
        """(R - 1,): whether detection r + 1 is the same body as r in the next frame."""
        return (self.body[1:] == self.body[:-1]) & (self.frame[1:] - self.frame[:-1] == 1)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(bodies,): index of the first detection of each body."""
        return np.flatnonzero(np.concatenate([[True], self.body[1:] != self.body[:-1]])[: len(self.body)])

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(bodies,): number of detections of each body."""
        return np.diff(self.starts, append=len(self.body))

    @cached_property
    def bones(self) -> NDArray[np.floating[Any]]:
        """(R, E): bone lengths, NaN where an end of the bone is missing."""
        child, parent = np.array(self.layout.bones, np.intp).reshape(-1, 2).T
        bone = np.take(self.position, child, axis=2) - np.take(self.position, parent, axis=2)
        lengths = np.sqrt(np.einsum("xre,xre->re", bone, bone))
        if not self.seen.all():
            lengths[~(self.seen[:, child] & self.seen[:, parent])] = np.nan
        return lengths

    @cached_property
    def size(self) -> NDArray[np.floating[Any]]:
        """(R,): mean length of the bones whose ends are present, 0 if there are none."""
        if self.seen.all():
            return self.bones.mean(axis=1)
        present = ~np.isnan(self.bones)
        return np.where(present, self.bones, 0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)


def detections(recording: Recording, layout: Layout) -> Detections:
    """The detections of a recording, which must not contain NaN."""
    frame = np.repeat(np.arange(recording.frames), recording.bodies_per_frame)
    body, joints = recording.body_id, recording.joints
    if len(body) and (body != body[0]).any():
        order = np.argsort(body, kind="stable")
        frame, body, joints = frame[order], body[order], joints[order]
    position = np.ascontiguousarray(joints[..., : layout.axes].transpose(2, 0, 1))
    return Detections(layout, recording.frames, frame, body, position)


def flags(recording: Recording, data: Dataset, layout: Layout) -> int:
    """The sum of GHOST, FROZEN, ZERO, BONE_JUMP, BODY_COUNT and LABEL of a recording without NaN."""
    label = LABEL * mislabelled(data, recording.name, recording.label)
    return (
        label
        + BODY_COUNT * bool(count_changes(recording.bodies_per_frame).any())
        + flags_of_bodies(detections(recording, layout))
    )


def flags_of_bodies(bodies: Detections) -> int:
    """The sum of GHOST, FROZEN, ZERO and BONE_JUMP."""
    if not len(bodies.body):
        return 0
    return (
        GHOST * bool(ghosts(bodies).any())
        + FROZEN * bool(frozen(bodies).any())
        + ZERO * bool(zeros(bodies).any() or blank_frames(bodies).any())
        + BONE_JUMP * bool((bone_jumps(bodies) > JUMP).any())
    )


def count_changes(bodies_per_frame: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(L,): frames with more or fewer bodies than the frame before.

    >>> count_changes(np.array([1, 1, 2])).tolist()
    [False, False, True]
    """
    changed = np.zeros(len(bodies_per_frame), np.bool_)
    changed[1:] = bodies_per_frame[1:] != bodies_per_frame[:-1]
    return changed


def ghosts(bodies: Detections) -> NDArray[np.bool_]:
    """(bodies,): bodies that are not people: wide beside others (a single person may lie down), or motionless."""
    judged = bodies.counts > SHORT_TRACK  # shorter tracks, which CTR-GCN removes, are not judged
    if not judged.any():
        return judged
    position, starts = bodies.position, bodies.starts
    extent = np.maximum.reduceat(position, starts, axis=1) - np.minimum.reduceat(position, starts, axis=1)
    still = extent.max(axis=(0, 2)) < STILL * np.maximum.reduceat(bodies.size, starts)
    if len(judged) == 1:
        return judged & still
    wide = np.add.reduceat(wide_bodies(bodies), starts, dtype=np.int64)
    return judged & (still | (wide >= MOSTLY_WIDE * bodies.counts))


def wide_bodies(bodies: Detections) -> NDArray[np.bool_]:
    """(R,): detections wider than WIDE_BODY of their height."""
    low = np.where(bodies.seen, bodies.position[:2], np.inf).min(axis=2)
    high = np.where(bodies.seen, bodies.position[:2], -np.inf).max(axis=2)
    width, height = high - low
    return np.asarray(width > WIDE_BODY * height)


def frozen(bodies: Detections) -> NDArray[np.bool_]:
    """(R,): detections in a run of FROZEN_FRAMES or more consecutive, bit-identical detections of one body."""
    mask = np.zeros(len(bodies.body), np.bool_)
    same = bodies.follows.copy()
    for joints in (slice(1), slice(None)):  # nearly every clip is done after the first joint
        if same.any():
            part = bodies.position[:, :, joints]
            same &= (part[:, 1:] == part[:, :-1]).all(axis=(0, 2))
    if not same.any():
        return mask
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.view(np.int8), [0]])))
    for start, stop in edges.reshape(-1, 2):
        if stop - start + 1 >= FROZEN_FRAMES:
            mask[start : stop + 1] = True
    return mask


def zeros(bodies: Detections) -> NDArray[np.bool_]:
    """(R, V): missing joints; in an image only if most detections have less than FEW_JOINTS of the joints."""
    if bodies.layout.is_image and (bodies.seen.mean(axis=1) < FEW_JOINTS).mean() <= MOSTLY_FEW:
        return np.zeros(bodies.seen.shape, np.bool_)
    return ~bodies.seen


def blank_frames(bodies: Detections) -> NDArray[np.bool_]:
    """(L,): frames without a body between frames with one."""
    blank = np.ones(bodies.frames, np.bool_)
    blank[bodies.frame] = False
    if len(bodies.frame):
        blank[: bodies.frame.min()] = blank[bodies.frame.max() :] = False
    return blank


def bone_jumps(bodies: Detections) -> NDArray[np.floating[Any]]:
    """(R, E): change of each bone's length since the frame before, in mean bone lengths of the body.

    0 where the body or the bone is missing in the frame before.
    """
    jumps = np.zeros_like(bodies.bones)
    if len(jumps) > 1:
        size = (bodies.size[1:] + bodies.size[:-1]) / 2
        change = np.abs(bodies.bones[1:] - bodies.bones[:-1])
        change /= np.where(bodies.follows & (size > 0), size, np.inf)[:, None]
        jumps[1:] = change if bodies.seen.all() else np.nan_to_num(change)
    return jumps


def mislabelled(data: Dataset, name: str, label: int) -> bool:
    """True if the clip's name encodes an action other than the label.

    >>> from manifests.facts import dataset
    >>> mislabelled(dataset("nw_ucla"), "a08_s01_e00_v01", 6), mislabelled(dataset("nw_ucla"), "a08_s01_e00_v01", 7)
    (False, True)
    """
    label_in_name = label_of(data, Source(name, "", "", 0, ""))
    return label_in_name is None or label_in_name not in (-1, label)
