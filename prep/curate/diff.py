"""What differs between two stores: facts, clips, what is known of each clip, and joints by how much.

Clips are matched by name and joints of the skeleton by theirs, so order, layouts and numbers of bodies may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.store.read import PER_CLIP, Store, StoreInfo
from prep.store.runs import read_clips, runs

LONGEST = 200  # letters of a value that are shown
# Who wrote a store, and out of which pieces, is not what it holds; `source_digest` is compared clip by clip.
NOT_CONTENT = ("software", "made_from", "source_digest")


@dataclass(frozen=True)
class Fact:
    """A field of StoreInfo, or an embedding, that differs, in words; `content`: it says something of the clips."""

    name: str
    a: str
    b: str
    content: bool


@dataclass(frozen=True)
class Column:
    """Something known of each clip: the clips of both stores in which it differs, as (name, in A, in B)."""

    name: str
    clips: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class ClipGap:
    """How far the joints of one clip lie apart in the two stores: absolute differences; `mask` where bodies differ."""

    name: str
    largest: float
    mean: float
    mask: bool


@dataclass(frozen=True)
class Difference:
    """Everything that differs. `compared` clips have equally many frames in both, `same_joints` of them are equal.

    `gaps` are those that are not, the farthest first; `largest` and `mean` are over all numbers compared; `overlap`
    says what was compared where shapes or joints differ ("" where all was); `order` is whether clips that both have
    lie in one order.
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
        """Whether both hold the same clips, whoever wrote them and in whatever order."""
        facts = any(fact.content for fact in self.facts)
        return not (facts or self.only_a or self.only_b or self.columns or self.overlap or self.gaps)


@dataclass(frozen=True)
class Compared:
    """One step of a comparison: clips read in both stores."""

    done: int
    total: int


class Comparison:
    """Two stores side by side: run it to the end, then ask for the difference."""

    def __init__(self, a: Store, b: Store) -> None:
        self.a, self.b = a, b
        index = {name: clip for clip, name in enumerate(b.names)}
        self.pairs = [(clip, index[name]) for clip, name in enumerate(a.names) if name in index]
        theirs = {joint: place for place, joint in enumerate(b.info.layout.joints)}
        self.joints = [(v, theirs[name]) for v, name in enumerate(a.info.layout.joints) if name in theirs]
        self.bodies, self.channels = min(a.shape[0], b.shape[0]), min(a.shape[2], b.shape[2])
        self.gaps: list[ClipGap] = []
        self.compared, self.largest, self.sum, self.numbers = 0, 0.0, 0.0, 0

    def run(self) -> Iterator[Compared]:
        """Read every clip that both have, in bounded memory. Raises StoreError where a block is damaged."""
        lengths = np.diff(self.a.offsets), np.diff(self.b.offsets)
        alike = [(one, other) for one, other in self.pairs if lengths[0][one] == lengths[1][other]]
        ends = np.concatenate([[0], np.cumsum([lengths[0][one] for one, _ in alike], dtype=np.int64)])
        for start, stop in runs(ends):
            partner = {other: one for one, other in alike[start:stop]}
            ours = {clip: rows for clip, *rows in read_clips(self.a, [one for one, _ in alike[start:stop]])}
            for clip, joints, mask in read_clips(self.b, list(partner)):
                one = partner[clip]
                self._clip(self.a.names[one], ours[one], (joints, mask))
            yield Compared(stop, len(alike))

    def _clip(self, name: str, ours: Sequence[NDArray[Any]], theirs: Sequence[NDArray[Any]]) -> None:
        (joints, mask), (other, other_mask) = ours, theirs
        places = np.array(self.joints, np.intp).reshape(-1, 2).T
        joints = joints[:, : self.bodies, places[0], : self.channels]
        gap = np.abs(joints - other[:, : self.bodies, places[1], : self.channels]).astype(np.float64)
        bodies = not np.array_equal(mask[:, : self.bodies], other_mask[:, : self.bodies])
        largest, total = float(gap.max(initial=0)), float(gap.sum())
        self.compared += 1
        self.largest, self.sum, self.numbers = max(self.largest, largest), self.sum + total, self.numbers + gap.size
        if largest or bodies:
            self.gaps.append(ClipGap(name, largest, total / max(gap.size, 1), bodies))

    def difference(self) -> Difference:
        """What was found in the clips read so far."""
        a, b = self.a, self.b
        held = set(a.names), set(b.names)
        order = [other for _, other in self.pairs]
        return Difference(
            a=a.path,
            b=b.path,
            digests=(a.digest, b.digest),
            facts=(*_facts(a.info, b.info), *_embeddings(a, b)),
            only_a=tuple(sorted(held[0] - held[1])),
            only_b=tuple(sorted(held[1] - held[0])),
            both=len(self.pairs),
            order=order == sorted(order),
            columns=tuple(column for column in self._columns() if column.clips),
            overlap=self._overlap(),
            compared=self.compared,
            same_joints=self.compared - len(self.gaps),
            largest=self.largest,
            mean=self.sum / max(self.numbers, 1),
            gaps=tuple(sorted(self.gaps, key=lambda gap: (-gap.largest, gap.name))),
        )

    def _columns(self) -> Iterator[Column]:
        frames = np.diff(self.a.offsets), np.diff(self.b.offsets)
        yield self._column("frames", *frames)
        yield self._column("raw bytes (sha256)", *([row.tobytes().hex()[:12] for row in s.source] for s in self._both))
        yield self._column("label", *([s.info.classes[label] for label in s.label] for s in self._both))
        for name in PER_CLIP:
            if name != "label":
                yield self._column(name, *(getattr(s, name) for s in self._both))

    @property
    def _both(self) -> tuple[Store, Store]:
        return self.a, self.b

    def _column(self, name: str, ours: Any, theirs: Any) -> Column:
        rows = ((self.a.names[one], ours[one], theirs[other]) for one, other in self.pairs)
        return Column(name, tuple((clip, str(x), str(y)) for clip, x, y in rows if x != y))

    def _overlap(self) -> str:
        a, b = self.a, self.b
        if a.shape == b.shape and a.info.layout.joints == b.info.layout.joints:
            return ""
        return (
            f"of (M, V, C) = {a.shape} and {b.shape} the first {self.bodies} bodies, "
            f"{len(self.joints)} joints of the same name, and the first {self.channels} numbers of each"
        )


def _facts(a: StoreInfo, b: StoreInfo) -> Iterator[Fact]:
    for field in fields(StoreInfo):
        ours, theirs = getattr(a, field.name), getattr(b, field.name)
        if ours != theirs and field.name != "source_digest":
            yield Fact(field.name, *_words(field.name, ours, theirs), field.name not in NOT_CONTENT)


def _embeddings(a: Store, b: Store) -> Iterator[Fact]:
    """Embeddings that only one has, or that differ. They are made of the clips and no content of their own."""
    ours, theirs = ({unit: entry.digest for unit, entry in store.manifest.embedded.items()} for store in (a, b))
    for unit in sorted(ours.keys() | theirs.keys()):
        if ours.get(unit) != theirs.get(unit):
            one, other = (f"digest {held[unit][:12]}" if unit in held else "none" for held in (ours, theirs))
            yield Fact(f"embedding {unit}", one, other, content=False)


def _words(name: str, ours: Any, theirs: Any) -> tuple[str, str]:
    """Two values in short: of long lists only what one has and the other lacks."""
    if name == "layout":
        known = next(field.name for field in fields(ours) if getattr(ours, field.name) != getattr(theirs, field.name))
        ours, theirs = (f"{known} {getattr(layout, known)}" for layout in (ours, theirs))
    elif isinstance(ours, tuple) and set(ours) != set(theirs):
        ours, theirs = ([row for row in x if row not in y] for x, y in ((ours, theirs), (theirs, ours)))
    return _short(ours), _short(theirs)


def _short(value: Any) -> str:
    return text if len(text := str(value)) <= LONGEST else f"{text[:LONGEST]}..."
