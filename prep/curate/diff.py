"""The differences between two stores: facts, clips, labels and other columns, and joints with their distances.

Clips are matched by name, and joints of the skeleton by the names of the joints. So the order of clips, the layout and
the number of bodies may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.digest import short
from prep.progress import Step, Work
from prep.store.arrays import PER_CLIP
from prep.store.frames import Frames
from prep.store.info import StoreInfo
from prep.store.read import Store
from prep.store.runs import read_clips, runs

LONGEST = 200  # characters of a value that are shown
# Provenance is no content: who wrote a store and from which stores. `source_digest` is compared clip by clip.
NOT_CONTENT = ("software", "made_from", "source_digest")


@dataclass(frozen=True)
class Fact:
    """A field of StoreInfo or an embedding that differs, as text; `content` is False for provenance."""

    name: str
    a: str
    b: str
    content: bool


@dataclass(frozen=True)
class Column:
    """A value stored per clip, and the clips in which it differs: (clip, value in A, value in B)."""

    name: str
    clips: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class ClipGap:
    """Absolute differences between the joints of one clip.

    `mask` is True if bodies are present in other frames, `origin` if the origins of its frames differ.
    """

    name: str
    largest: float
    mean: float
    mask: bool
    origin: bool


@dataclass(frozen=True)
class Difference:
    """All differences between the stores A and B.

    `both` clips are in both stores, and `order` is True if they come in the same order. `compared` of them have as many
    frames in A as in B; the joints of `same_joints` of these are equal, and `gaps` lists the others, largest first.
    `largest` and `mean` are taken over all compared coordinates. `overlap` describes which coordinates were compared if
    shapes or joints differ, and is "" if all were.
    """

    a: str
    b: str
    digests: tuple[str, str]
    facts: tuple[Fact, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    both: int
    order: bool
    columns: tuple[Column, ...]
    overlap: str
    compared: int
    same_joints: int
    largest: float
    mean: float
    gaps: tuple[ClipGap, ...]

    @property
    def same(self) -> bool:
        """Whether A and B hold the same clips, whatever their order and provenance."""
        facts = any(fact.content for fact in self.facts)
        return not (facts or self.only_a or self.only_b or self.columns or self.overlap or self.gaps)


def difference(a: Store, b: Store) -> Work[Difference]:
    """Compare two stores clip by clip, in bounded memory. Raises StoreError for a damaged block."""
    pair = _Pair(a, b)
    gaps, largest, total, numbers = [], 0.0, 0.0, 0
    lengths = np.diff(a.offsets), np.diff(b.offsets)
    matched = [(one, other) for one, other in pair.clips if lengths[0][one] == lengths[1][other]]
    ends = np.concatenate([[0], np.cumsum([lengths[0][one] for one, _ in matched], dtype=np.int64)])
    for start, stop in runs(ends):
        partner = {other: one for one, other in matched[start:stop]}
        clips_a = dict(read_clips(a, list(partner.values())))
        for clip, frames in read_clips(b, list(partner)):
            distances, *others = pair.distances(clips_a[partner[clip]], frames)
            gap = ClipGap(a.names[partner[clip]], *_largest_and_mean(distances), *others)
            largest, total, numbers = (
                max(largest, gap.largest),
                total + float(distances.sum()),
                numbers + distances.size,
            )
            gaps += [gap] if gap.largest or gap.mask or gap.origin else []
        yield Step(stop, len(matched))
    return Difference(
        a=a.path,
        b=b.path,
        digests=(a.digest, b.digest),
        facts=(*_facts(a.info, b.info), *_embeddings(a, b)),
        only_a=tuple(sorted(set(a.names) - set(b.names))),
        only_b=tuple(sorted(set(b.names) - set(a.names))),
        both=len(pair.clips),
        order=pair.same_order,
        columns=tuple(column for column in pair.columns() if column.clips),
        overlap=pair.overlap,
        compared=len(matched),
        same_joints=len(matched) - len(gaps),
        largest=largest,
        mean=total / max(numbers, 1),
        gaps=tuple(sorted(gaps, key=lambda gap: (-gap.largest, gap.name))),
    )


def _largest_and_mean(distances: NDArray[np.float64]) -> tuple[float, float]:
    return float(distances.max(initial=0)), float(distances.sum()) / max(distances.size, 1)


class _Pair:
    """Two stores and their matches by name: `clips` (row in A, row in B) and `joints` (index in A, index in B)."""

    def __init__(self, a: Store, b: Store) -> None:
        self.a, self.b = a, b
        rows = {name: clip for clip, name in enumerate(b.names)}
        self.clips = [(clip, rows[name]) for clip, name in enumerate(a.names) if name in rows]
        indices = {joint: index for index, joint in enumerate(b.info.layout.joints)}
        self.joints = [(v, indices[name]) for v, name in enumerate(a.info.layout.joints) if name in indices]
        self.bodies, self.channels = min(a.shape[0], b.shape[0]), min(a.shape[2], b.shape[2])

    @property
    def same_order(self) -> bool:
        """Whether the clips in both stores come in the same order."""
        rows = [other for _, other in self.clips]
        return rows == sorted(rows)

    @property
    def overlap(self) -> str:
        """Which coordinates both stores have, in words; "" if they have the same."""
        a, b = self.a, self.b
        if a.shape == b.shape and a.info.layout.joints == b.info.layout.joints:
            return ""
        return (
            f"of (M, V, C) = {a.shape} and {b.shape} the first {self.bodies} bodies, "
            f"{len(self.joints)} joints of the same name, and the first {self.channels} channels"
        )

    def distances(self, a: Frames, b: Frames) -> tuple[NDArray[np.float64], bool, bool]:
        """Absolute differences of the matched coordinates of a clip, and whether its masks and its origins differ."""
        index = np.array(self.joints, np.intp).reshape(-1, 2).T
        joints_a = a.joints[:, : self.bodies, index[0], : self.channels]
        joints_b = b.joints[:, : self.bodies, index[1], : self.channels]
        masks_differ = not np.array_equal(a.body_mask[:, : self.bodies], b.body_mask[:, : self.bodies])
        origins_differ = not np.array_equal(a.origin[:, : self.channels], b.origin[:, : self.channels])
        return np.abs(joints_a - joints_b).astype(np.float64), masks_differ, origins_differ

    def columns(self) -> Iterator[Column]:
        """Every value stored per clip, with the clips in which it differs."""
        stores = self.a, self.b
        yield self._column("frames", *(np.diff(store.offsets) for store in stores))
        yield self._column("raw bytes (sha256)", *([short(row.tobytes().hex()) for row in s.source] for s in stores))
        yield self._column("to_recorded", *(list(map(_matrix, store.to_recorded)) for store in stores))
        yield self._column("label", *([store.info.classes[label] for label in store.label] for store in stores))
        for name in PER_CLIP:
            if name != "label":
                yield self._column(name, *(getattr(store, name) for store in stores))

    def _column(self, name: str, values_a: Any, values_b: Any) -> Column:
        rows = ((self.a.names[one], values_a[one], values_b[other]) for one, other in self.clips)
        return Column(name, tuple((clip, str(x), str(y)) for clip, x, y in rows if x != y))


def _matrix(rows: NDArray[np.float32]) -> str:
    return "; ".join(" ".join(f"{value:.9g}" for value in row) for row in rows.tolist())


def _facts(a: StoreInfo, b: StoreInfo) -> Iterator[Fact]:
    for field in fields(StoreInfo):
        value_a, value_b = getattr(a, field.name), getattr(b, field.name)
        if value_a != value_b and field.name != "source_digest":
            yield Fact(field.name, *_as_text(field.name, value_a, value_b), field.name not in NOT_CONTENT)


def _embeddings(a: Store, b: Store) -> Iterator[Fact]:
    """Embeddings that only one store has, or that differ. They are derived from the clips, so they are no content."""
    digests_a, digests_b = ({key: entry.digest for key, entry in store.manifest.embedded.items()} for store in (a, b))
    for key in sorted(digests_a.keys() | digests_b.keys()):
        if digests_a.get(key) != digests_b.get(key):
            digest_a, digest_b = (
                f"digest {short(digests[key])}" if key in digests else "none" for digests in (digests_a, digests_b)
            )
            yield Fact(f"embedding {key}", digest_a, digest_b, content=False)


def _as_text(name: str, a: Any, b: Any) -> tuple[str, str]:
    """Two values as short texts: for a layout its first field that differs, for lists the elements of only one."""
    if name == "layout":
        field = next(field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name))
        a, b = (f"{field} {getattr(layout, field)}" for layout in (a, b))
    elif isinstance(a, tuple) and set(a) != set(b):
        a, b = ([row for row in x if row not in y] for x, y in ((a, b), (b, a)))
    return _truncated(a), _truncated(b)


def _truncated(value: Any) -> str:
    return text if len(text := str(value)) <= LONGEST else f"{text[:LONGEST]}..."
