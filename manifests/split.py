"""A split: which classes of a data set train, validate and test, with which clips and which exemplars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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

    "episodic": many small tasks from the classes of `test`. "exemplars": one task of all novel classes with K of their
    clips as shots and every other clip as a query; where a paper averages over several choices of classes, `draws`
    holds them and the rest is empty. `choice` says which clips are the shots: "seeded", several choices by the rule of
    episodes.protocol; "first", the one choice of `first_exemplars`, where `exemplars` may name the official exemplar of
    each class of `test`, in that order. `base` names the split that this one is a variation of: what stands in its file
    holds here too, unless this file says otherwise.
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
    choice: Literal["seeded", "first"] = "seeded"
    exemplars: tuple[str, ...] = ()
    base: str = ""

    def __post_init__(self) -> None:
        least = f"samples_per_class is {self.samples_per_class}; it must be 0 (all) or more"
        require(self.samples_per_class >= 0, least)
        self._check_exemplars()
        if self.draws:
            require(self.protocol == "exemplars", "draws belong to the protocol `exemplars`; remove them")
            require(not (self.train or self.val or self.test), "draws and train/val/test exclude each other")
            unique("draws", self.draws)
        else:
            classes_disjoint({"train": self.train, "test": self.test}, {"val": self.val})

    def _check_exemplars(self) -> None:
        first = self.choice == "first"
        require(not first or self.protocol == "exemplars", "choice `first` belongs to the protocol `exemplars`")
        require(first or not self.exemplars, 'exemplars are named; write `choice = "first"`')
        count = (
            f"{len(self.exemplars)} exemplars for {len(self.test)} classes of test; name one for each, in that order"
        )
        require(len(self.exemplars) in (0, len(self.test)), count)
        require(not (self.exemplars and self.samples_per_class), "exemplars and samples_per_class exclude each other")
        unique("exemplars", self.exemplars)

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

    def exemplar(self, label: int) -> str:
        """The official exemplar of a class; "" where there is none."""
        return dict(zip(self.test, self.exemplars, strict=False)).get(label, "")

    def first_exemplars(self, label: int, names: Iterable[str], pattern: str) -> tuple[str, ...]:
        """The clips of one novel class, best exemplar first; the first K are its shots.

        First the official exemplar, then the clips of its setup and camera, then the others, each in the order of
        their names; without an official exemplar, all in the order of their names. Papers that name one exemplar do
        not say which five they take, so the rest of the order is a choice of this project. `pattern` is the data
        set's, whose groups `setup` and `camera` are looked at where it has them.
        """
        official = self.exemplar(label)
        place = _place(pattern, official)

        def rank(name: str) -> tuple[bool, bool, str]:
            return name != official, official != "" and _place(pattern, name) != place, name

        return tuple(sorted(set(names), key=rank))

    def _rank(self, name: str) -> tuple[str, str]:
        return sha256(f"{self.dataset}/{self.seed}/{name}".encode()).hexdigest(), name


def _place(pattern: str, name: str) -> tuple[str | None, ...]:
    """Setup and camera, as far as a name tells them."""
    match = re.fullmatch(pattern, name)
    return tuple(match.groupdict().get(group) for group in ("setup", "camera")) if match else ()
