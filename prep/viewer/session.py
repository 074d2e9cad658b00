"""The stores that are viewed, and for each what was asked for so far: parts of splits, motion, vectors, videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from manifests.split_file import split
from prep.errors import PrepError
from prep.progress import Step, Work
from prep.store.arrays import PER_CLIP
from prep.store.embeddings import open_embedding
from prep.store.manifest import read_manifest
from prep.store.read import Store, open_store
from prep.viewer.background import Background
from prep.viewer.cells import read_cells
from prep.viewer.frames import PairedFrames
from prep.viewer.marks import read_marks, write_marks
from prep.viewer.motion import Motion, measure_motion
from prep.viewer.neighbours import unit_vectors
from prep.viewer.parts import parts_of, splits_for
from prep.viewer.plane import Plane, principal_plane

if TYPE_CHECKING:
    from prep.workers import Workers


class StoreChanged(PrepError):
    """The store on the disk is not the one that was opened."""


@dataclass(frozen=True)
class Vectors:
    """The vectors of an embedding, scaled to length 1 (clips, D), and the clips that have one (clips,)."""

    unit: NDArray[np.float32]
    done: NDArray[np.bool_]


class ViewedStore:
    """One open store. Only small arrays and one frame are read before they are asked for; no clip is kept."""

    def __init__(self, store: Store, split_name: str, videos: Path | None, workers: Workers | None) -> None:
        self.store, self.splits = store, splits_for(store, split_name)
        self.frames = PairedFrames(store, videos, workers) if videos and workers else None
        self._parts: dict[str, Mapping[str, NDArray[np.bool_]]] = {}
        self._vectors: dict[str, Vectors] = {}
        self._plane: tuple[str, Background[Plane]] | None = None
        self._measuring: Background[Motion] | None = None
        self._warming: Background[None] | None = None
        self._lock = Lock()

    @cached_property
    def clips(self) -> Mapping[str, int]:
        """The index of each clip by its name."""
        return {name: clip for clip, name in enumerate(self.store.names)}

    def check(self) -> None:
        """Raise StoreChanged unless the store on the disk still has the digest with which it was opened."""
        now = read_manifest(self.store.storage).digest
        if now != self.store.digest:
            rule = f"the store has changed since it was opened (digest {now[:12]}, opened {self.store.digest[:12]})"
            raise StoreChanged(f"{self.store.path}: {rule}. Reload the page.")

    def parts(self, name: str) -> Mapping[str, NDArray[np.bool_]]:
        """The parts of a split, as `parts_of` finds them. Raises PrepError for a split of another dataset."""
        if name not in self.splits:
            raise PrepError(f"`{name}` is not a split of {self.store.info.dataset}.")
        with self._lock:
            if name not in self._parts:
                self._parts[name] = parts_of(self.store, split(name))
            return self._parts[name]

    def vectors(self, name: str) -> Vectors:
        """The vectors of an embedding. Raises StoreError if the store has none of videos under that name."""
        with self._lock:
            if name not in self._vectors:
                embedding = open_embedding(self.store, name)
                self._vectors = {name: Vectors(unit_vectors(embedding), embedding.done)}
            return self._vectors[name]

    def warm_up(self) -> None:
        """Read what the list and every clip need, in the background; an error is raised when they are asked for."""
        with self._lock:
            if self._warming is None:
                self._warming = Background(self._warm(), 2)

    def _warm(self) -> Work[None]:
        for column in ("names", *PER_CLIP, "to_recorded"):
            getattr(self.store, column)
        yield Step(1, 2)
        if self.clips:
            # The first read opens the arrays and starts their decoder.
            self.store.read_frames(0, 1)

    def plane(self, name: str) -> Plane | Step:
        """An embedding's vectors in two dimensions, or how far that is: the first call starts it in the background.

        Raises the error that ended it.
        """
        with self._lock:
            if self._plane is None or self._plane[0] != name:
                self._plane = (name, Background(self._project(name), 2))
            return self._plane[1].state()

    def _project(self, name: str) -> Work[Plane]:
        yield Step(0, 2, stage="reading vectors")
        vectors = self.vectors(name)
        yield Step(1, 2, stage="principal components")
        return principal_plane(vectors.unit, vectors.done)

    def motion(self) -> Motion | Step:
        """The motion of every clip, or how far its measurement is: the first call starts it in the background.

        Raises the error that ended the measurement.
        """
        with self._lock:
            if self._measuring is None:
                self._measuring = Background(measure_motion(self.store), len(self.store))
            return self._measuring.state()


class Session:
    """One or two viewed stores, the marked clips, and the confusion matrix of a run where its file is given.

    `reopen` opens those stores again that have changed on the disk.
    """

    def __init__(
        self,
        paths: Sequence[str],
        marks: Path,
        split_name: str = "",
        videos: Path | None = None,
        workers: Workers | None = None,
        confusion: Path | None = None,
    ) -> None:
        self._open = lambda path: ViewedStore(open_store(path), split_name, videos, workers)
        self.paths, self.marks_file = tuple(paths), marks
        self.views = [self._open(path) for path in paths]
        self.confusion = read_cells(confusion, self.views[0].store) if confusion else None
        self.marked = read_marks(marks)
        self._lock = Lock()

    def view(self, index: int) -> ViewedStore:
        """The store of that number, unchanged on the disk. Raises PrepError, StoreChanged."""
        if not 0 <= index < len(self.views):
            raise PrepError(f"store {index} is requested, {len(self.views)} are open.")
        view = self.views[index]
        view.check()
        return view

    def reopen(self) -> None:
        """Open every store again that has changed on the disk. Raises StoreError if one cannot be opened."""
        with self._lock:
            for index, path in enumerate(self.paths):
                try:
                    self.views[index].check()
                except StoreChanged:
                    self.views[index] = self._open(path)

    def mark(self, view: ViewedStore, name: str, marked: bool, varied: str) -> None:
        """Mark a clip, or remove its mark, and write the file of marks as a variation of the split `varied`.

        Raises PrepError if the clip is not in the store, the store has clips of another dataset than the first, the
        split is not one of the dataset, or the file cannot be written; the marks are then as before.
        """
        first = self.views[0].store.info.dataset
        if view.store.info.dataset != first:
            raise PrepError(
                f"{self.marks_file} holds clips of `{first}`. View {view.store.path} alone to mark its clips."
            )
        if name not in view.clips:
            raise PrepError(f"{view.store.path}: has no clip of this name.")
        if varied and varied not in view.splits:
            raise PrepError(f"`{varied}` is not a split of {first}.")
        with self._lock:
            names = self.marked | {name} if marked else self.marked - {name}
            write_marks(self.marks_file, names, varied)
            self.marked = names
