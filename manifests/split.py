"""A split: which classes of a data set train, validate and test, with which clips and which exemplars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from manifests.rules import classes_disjoint, require, unique


@dataclass(frozen=True)
class ClassDraw:
    """One way of sharing the classes out: labels to train on and novel labels to test on."""

    train: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        classes_disjoint({"train": self.train, "test": self.test})


@dataclass(frozen=True)
class Split:
    """A named choice of classes, and of clips when `samples_per_class` is above 0; all classes are 0-based labels.

    "episodic": many small tasks from the classes of `test`. "exemplars": one task of all novel classes, whose shots
    are named clips; where a paper averages over several choices of classes, `draws` holds them and the rest is empty.
    """

    name: str
    dataset: str
    title: str
    source: str
    protocol: Literal["episodic", "exemplars"]
    seed: int
    train: tuple[int, ...] = ()
    val: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    samples_per_class: int = 0
    draws: tuple[ClassDraw, ...] = ()

    def __post_init__(self) -> None:
        least = f"samples_per_class is {self.samples_per_class}; it must be 0 (all) or more"
        require(self.samples_per_class >= 0, least)
        if self.draws:
            require(self.protocol == "exemplars", "draws belong to the protocol `exemplars`; remove them")
            require(not (self.train or self.val or self.test), "draws and train/val/test exclude each other")
            unique("draws", self.draws)
        else:
            classes_disjoint({"train": self.train, "test": self.test}, {"val": self.val})

    @property
    def classes(self) -> frozenset[int]:
        """Every label that it uses."""
        drawn = (label for draw in self.draws for label in (*draw.train, *draw.test))
        return frozenset((*self.train, *self.val, *self.test, *drawn))

    def chosen(
        self, names_by_label: Mapping[int, Sequence[str]], missing: frozenset[str] = frozenset()
    ) -> frozenset[str]:
        """The clips that belong to this split, out of the clip names of each label.

        Names in `missing`, the list of missing skeletons, are left out. The others of a label are ranked by the
        hexadecimal sha256 of "<dataset>/<seed>/<name>", then by name, and the first `samples_per_class` are kept; 0
        keeps all, and a label with fewer gives what it has.

        So a clip's rank depends on nothing but its name: the order of the input does not matter, labels do not touch
        each other, a split with fewer samples lies inside one with more, and choosing again changes nothing. Whatever
        part of the data holds the chosen clips gives the same choice as the whole.
        """
        ranked = (sorted(set(names) - missing, key=self._rank) for names in names_by_label.values())
        return frozenset(name for names in ranked for name in names[: self.samples_per_class or None])

    def _rank(self, name: str) -> tuple[str, str]:
        return sha256(f"{self.dataset}/{self.seed}/{name}".encode()).hexdigest(), name
