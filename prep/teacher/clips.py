"""The clips that a teacher is trained on: videos of the base classes of a split. No other video is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.split import Split
from prep.embedding.videos import decode_ahead
from prep.encoders._teacher_net import FRAMES, SIZE
from prep.errors import PrepError
from prep.progress import Step, Work
from prep.store.embedding_key import Rows
from prep.store.read import Store
from prep.video.pairing import pair
from prep.video.request import ClipVideo, FrameRequest
from prep.workers import Workers

DATASET = "demo"
LEAST_CLASSES, LEAST_CLIPS, HELD_OUT = 2, 5, 5
_AHEAD, _SHOWN = 16, 20


class TeacherError(PrepError):
    """A teacher cannot be trained from this store, split or folder; the text names the rule and the remedy."""


@dataclass(frozen=True)
class BaseVideos:
    """Decoded videos of base classes.

    classes: their names. clips: (n, 16, 32, 32, 3), uint8, RGB. label: (n,), indices into `classes`.
    held_out: (n,), True for clips that are not trained on: every fifth of each class, in the order of the store.
    bad: (name, reason) for videos that cannot be read. missing: names of clips of base classes without a video.
    """

    classes: tuple[str, ...]
    clips: NDArray[np.uint8]
    label: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    bad: Rows
    missing: tuple[str, ...]


def base_videos(store: Store, videos: Path, split: Split, workers: Workers) -> Work[BaseVideos]:
    """Decode the videos of all clips of the classes in `split.train`, found below the folder `videos`.

    A step per clip; its stage is "decoding". Raises TeacherError for a store or split of another dataset, for fewer
    than two base classes, and where a class has fewer than five usable videos; PrepError where no video fits the store.
    """
    _check(store, split)
    pairs = pair(store, videos)
    base = {store.names[clip] for clip in np.flatnonzero(np.isin(store.label, split.train)).tolist()}
    wanted = [clip for clip in pairs.clips if clip.name in base]
    bad = [(name, reason) for name, reason in pairs.bad if name in base]
    frames, clips = [], []
    decoding = decode_ahead(wanted, FrameRequest(FRAMES, SIZE), workers, _AHEAD)
    for done, (clip, decoded) in enumerate(zip(wanted, decoding, strict=True), start=1):
        if decoded.frames is None:
            bad.append((clip.name, decoded.reason))
        else:
            frames.append(decoded.frames)
            clips.append(clip)
        yield Step(done, len(wanted), "decoding", f"{len(bad)} bad" if bad else "")
    label = _labels(store, split, clips)
    _check_counts(store, videos, split, label, bad)
    missing = tuple(name for name in pairs.missing if name in base)
    classes = tuple(store.info.classes[number] for number in split.train)
    return BaseVideos(classes, np.stack(frames), label, held_out(label), tuple(sorted(bad)), missing)


def held_out(label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,): True for every fifth clip of each label.

    >>> held_out(np.array([0, 0, 0, 1, 0, 0, 0])).tolist()
    [False, False, False, False, False, True, False]
    """
    chosen = np.zeros(len(label), bool)
    for number in np.unique(label):
        chosen[np.flatnonzero(label == number)[HELD_OUT - 1 :: HELD_OUT]] = True
    return chosen


def _labels(store: Store, split: Split, clips: Sequence[ClipVideo]) -> NDArray[np.int64]:
    """(n,): the position of each clip's class in `split.train`."""
    position = {number: index for index, number in enumerate(split.train)}
    return np.array([position[int(store.label[clip.clip])] for clip in clips], np.int64)


def _check(store: Store, split: Split) -> None:
    if store.info.dataset != DATASET:
        rule = f"is a store of `{store.info.dataset}`; this teacher is trained on the demo only"
        raise TeacherError(f"{store.path}: {rule}. Embed these videos with a published encoder: --encoder xclip.")
    if split.dataset != DATASET:
        rule = f"the split `{split.name}` is of `{split.dataset}`, the store of `{DATASET}`"
        raise TeacherError(f"{store.path}: {rule}. Take --split demo, or a split of the demo of your own.")
    if len(split.train) < LEAST_CLASSES:
        rule = f"the split `{split.name}` has {len(split.train)} base classes; at least {LEAST_CLASSES} are needed"
        raise TeacherError(f"{rule}. Add classes to its `train`, or take --split demo.")
    unknown = [number for number in split.train if not 0 <= number < len(store.info.classes)]
    if unknown:
        rule = (
            f"the split `{split.name}` trains on the label {unknown[0]}; labels are 0 to {len(store.info.classes) - 1}"
        )
        raise TeacherError(f"{store.path}: {rule}. Correct its `train`, or take --split demo.")


def _check_counts(
    store: Store, videos: Path, split: Split, label: NDArray[np.int64], bad: Sequence[tuple[str, str]]
) -> None:
    """Raise TeacherError, with the reasons of unusable videos, unless every base class has enough clips."""
    counts = Counter(label.tolist())
    few = [
        f"`{store.info.classes[number]}` has {counts[index]}"
        for index, number in enumerate(split.train)
        if counts[index] < LEAST_CLIPS
    ]
    if few:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in bad[:_SHOWN])
        rule = f"every base class needs {LEAST_CLIPS} usable videos; {', '.join(few[:3])}"
        more = f" and {len(few) - 3} more classes have too few" if len(few) > 3 else ""
        remedy = f"Draw at least {24 * LEAST_CLIPS} clips with `fsprep demo --videos --clips N` and build them"
        raise TeacherError(f"{videos}: {rule}{more}. {remedy}.{reasons}")
