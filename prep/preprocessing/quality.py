"""Flags of a clip's quality, which may be added up: what a build noticed, one bit each, and the rules behind them.

The rules see the joints as recorded, before a recipe moves, turns or stretches them. They measure a skeleton in lengths
of its own bones, so metres and parts of an image are judged alike. A joint at zero on every axis is missing: Kinect and
OpenPose both write it so. The detector's score, the third number of an image layout, is no axis.
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
from prep.preprocessing.label import label_of

RULES = 1  # rises whenever a rule changes, so that parts made by an older one are made again

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

# CTR-GCN, data/ntu/get_raw_denoised_data.py: beside others, a body wider than 0.8 of its height in this share of its
# frames is noise. The source removes bodies of up to 11 frames as too short; here those are not judged.
WIDE_BODY = 0.8
MOSTLY_WIDE = 0.69754
SHORT_TRACK = 11
# In mean bone lengths, some 2 cm of an adult. The calmest of 1,455 real bodies in metres ranges over 0.92 (NW-UCLA
# a01_s01_e04_v03).
STILL = 0.1
# One repetition occurs once in 1,484 clips of NW-UCLA, two in a row never.
FROZEN_FRAMES = 3
# In mean bone lengths of the same body, some 40 cm of an adult: 13 of 1,484 clips of NW-UCLA, none of seven of NTU.
JUMP = 2.0
# Image layouts miss joints all the time: 13 to 69 % of them in five clips of Kinetics.
FEW_JOINTS = 0.25
MOSTLY_FEW = 0.5


@dataclass(frozen=True)
class Flag:
    """One bit, its name, and what it says in words."""

    bit: int
    name: str
    meaning: str


FLAGS = (
    Flag(EMPTY, "empty", "no frame, or nobody in any"),
    Flag(NAN, "nan", "the file has coordinates that are not numbers; they were filled in"),
    Flag(EXTRA_BODIES, "extra-bodies", "the file shows more bodies than the clip keeps, here or there"),
    Flag(DROPPED_FRAMES, "dropped-frames", "the clip has fewer frames than the file"),
    Flag(
        GHOST, "ghost", f"a body wider than {WIDE_BODY:g} of its height beside others, or one that stands stock still"
    ),
    Flag(FROZEN, "frozen", f"a body is the same to the last bit in {FROZEN_FRAMES} or more frames running"),
    Flag(ZERO, "zero", "joints at zero, or frames with nobody between frames with somebody"),
    Flag(
        BONE_JUMP, "bone-jump", f"a bone's length changes by over {JUMP:g} mean bone lengths from a frame to the next"
    ),
    Flag(BODY_COUNT, "body-count", "the number of bodies changes inside the clip"),
    Flag(LABEL, "label", "the label is not the one that the name says"),
)


@dataclass(frozen=True)
class Detections:
    """Bodies as seen, body by body and each in the order of frames.

    R detections: `frame` (R,), `body` (R,) any number that stands for one person, `position` (axes, R, V) in which a
    missing joint is zeros. `frames` is L. Axes come first since sums over the last, short axis are slow.
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
        """(R - 1,): detection r + 1 is of the same body as r, in the next frame."""
        return (self.body[1:] == self.body[:-1]) & (self.frame[1:] - self.frame[:-1] == 1)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first detection of each body."""
        return np.flatnonzero(np.concatenate([[True], self.body[1:] != self.body[:-1]])[: len(self.body)])

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Detections of each body."""
        return np.diff(self.starts, append=len(self.body))

    @cached_property
    def bones(self) -> NDArray[np.floating[Any]]:
        """(R, E): lengths of the layout's bones, NaN where an end is missing."""
        child, parent = np.array(self.layout.bones, np.intp).reshape(-1, 2).T
        bone = np.take(self.position, child, axis=2) - np.take(self.position, parent, axis=2)
        lengths = np.sqrt(np.einsum("xre,xre->re", bone, bone))
        if not self.seen.all():
            lengths[~(self.seen[:, child] & self.seen[:, parent])] = np.nan
        return lengths

    @cached_property
    def size(self) -> NDArray[np.floating[Any]]:
        """(R,): mean length of the bones seen, 0 where none is."""
        if self.seen.all():
            return self.bones.mean(axis=1)
        known = ~np.isnan(self.bones)
        return np.where(known, self.bones, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def detections(recording: Recording, layout: Layout) -> Detections:
    """The bodies of a recording without NaN."""
    frame = np.repeat(np.arange(recording.frames), recording.bodies_per_frame)
    body, joints = recording.body_id, recording.joints
    if len(body) and (body != body[0]).any():
        order = np.argsort(body, kind="stable")
        frame, body, joints = frame[order], body[order], joints[order]
    position = np.ascontiguousarray(joints[..., : axes(layout)].transpose(2, 0, 1))
    return Detections(layout, recording.frames, frame, body, position)


def is_image(layout: Layout) -> bool:
    """Whether joints are places in an image, with y down, rather than in space."""
    return layout.unit in ("image", "pixel", "pixels")


def axes(layout: Layout) -> int:
    """How many of a joint's numbers are coordinates: in an image two, and a score may follow."""
    return min(2, layout.coordinates) if is_image(layout) else layout.coordinates


def flags(recording: Recording, data: Dataset, layout: Layout) -> int:
    """GHOST, FROZEN, ZERO, BONE_JUMP, BODY_COUNT and LABEL of a recording without NaN, added up."""
    label = LABEL * mislabelled(data, recording.name, recording.label)
    return (
        label
        + BODY_COUNT * bool(count_changes(recording.bodies_per_frame).any())
        + flags_of_bodies(detections(recording, layout))
    )


def flags_of_bodies(bodies: Detections) -> int:
    """GHOST, FROZEN, ZERO and BONE_JUMP, added up."""
    if not len(bodies.body):
        return 0
    return (
        GHOST * bool(ghosts(bodies).any())
        + FROZEN * bool(frozen(bodies).any())
        + ZERO * bool(zeros(bodies).any() or blank_frames(bodies).any())
        + BONE_JUMP * bool((bone_jumps(bodies) > JUMP).any())
    )


def count_changes(bodies_per_frame: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(L,): frames that show more or fewer bodies than the one before.

    >>> count_changes(np.array([1, 1, 2])).tolist()
    [False, False, True]
    """
    changed = np.zeros(len(bodies_per_frame), np.bool_)
    changed[1:] = bodies_per_frame[1:] != bodies_per_frame[:-1]
    return changed


def ghosts(bodies: Detections) -> NDArray[np.bool_]:
    """(bodies,): who is no person: wide beside others (a person alone may lie down), or stock still."""
    judged = bodies.counts > SHORT_TRACK
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
    """(R,): detections that belong to FROZEN_FRAMES or more of one body, frame after frame, equal to the last bit."""
    held = np.zeros(len(bodies.body), np.bool_)
    same = bodies.follows.copy()
    for joints in (slice(1), slice(None)):  # the first joint alone clears nearly every clip
        if same.any():
            part = bodies.position[:, :, joints]
            same &= (part[:, 1:] == part[:, :-1]).all(axis=(0, 2))
    if not same.any():
        return held
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.view(np.int8), [0]])))
    for start, stop in edges.reshape(-1, 2):
        if stop - start + 1 >= FROZEN_FRAMES:
            held[start : stop + 1] = True
    return held


def zeros(bodies: Detections) -> NDArray[np.bool_]:
    """(R, V): missing joints. In an image only where most detections show under FEW_JOINTS of the joints."""
    if is_image(bodies.layout) and (bodies.seen.mean(axis=1) < FEW_JOINTS).mean() <= MOSTLY_FEW:
        return np.zeros(bodies.seen.shape, np.bool_)
    return ~bodies.seen


def blank_frames(bodies: Detections) -> NDArray[np.bool_]:
    """(L,): frames with nobody, between frames with somebody."""
    blank = np.ones(bodies.frames, np.bool_)
    blank[bodies.frame] = False
    if len(bodies.frame):
        blank[: bodies.frame.min()] = blank[bodies.frame.max() :] = False
    return blank


def bone_jumps(bodies: Detections) -> NDArray[np.floating[Any]]:
    """(R, E): how much a bone's length differs from that in the frame before, in mean bone lengths of the body.

    0 where the frame before does not show the bone, or not the body.
    """
    jumps = np.zeros_like(bodies.bones)
    if len(jumps) > 1:
        size = (bodies.size[1:] + bodies.size[:-1]) / 2
        change = np.abs(bodies.bones[1:] - bodies.bones[:-1])
        change /= np.where(bodies.follows & (size > 0), size, np.inf)[:, None]
        jumps[1:] = change if bodies.seen.all() else np.nan_to_num(change)
    return jumps


def mislabelled(data: Dataset, name: str, label: int) -> bool:
    """Whether a clip's name says an action, and another one than its label.

    >>> from manifests.facts import dataset
    >>> mislabelled(dataset("nw_ucla"), "a08_s01_e00_v01", 6), mislabelled(dataset("nw_ucla"), "a08_s01_e00_v01", 7)
    (False, True)
    """
    named = label_of(data, Source(name, "", "", 0, ""))
    return named is None or named not in (-1, label)
