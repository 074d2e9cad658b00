"""A split: the classes to train, validate and test on, the sampling of their clips, and the exemplars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from manifests.pattern import match_name
from manifests.rules import classes_disjoint, require, unique


@dataclass(frozen=True)
class ClassDraw:
    """One partition of the classes: labels to train on and novel labels to test on."""

    train: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        classes_disjoint({"train": self.train, "test": self.test})


@dataclass(frozen=True)
class Split:
    """A named partition of a dataset's classes; all classes are 0-based labels.

    A file may give a class by its name instead (manifests/split_file.py).

    protocol: "episodic", many small tasks from the classes of `test`; or "exemplars", one task with all novel classes,
        K clips of each as shots and every other clip as a query.
    samples_per_class: how many clips of each class are sampled (see `chosen`); 0 takes all.
    draws: several partitions over which a paper averages; `train`, `val` and `test` are then empty.
    choice: which clips are the shots of the protocol "exemplars": "seeded", drawn several times at random; or "first",
        those that `first_exemplars` ranks first.
    exemplars: the official exemplar of each class of `test`, in that order; empty where there are none.
    base: the split that this one varies. Its keys hold here too, except for those that this split gives itself.
    exclude: names of clips that are never chosen, for example those that were marked in `fsprep view`.
    exclude_flags: quality flags, for example "frozen"; clips with any of them are never served.
    class_names: the names of all classes of the dataset, if the file gives classes by name.
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
    exclude: tuple[str, ...] = ()
    exclude_flags: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_samples("samples_per_class", self.samples_per_class)
        unique("exclude", self.exclude)
        unique("exclude_flags", self.exclude_flags)
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
        for name in self.exemplars:
            require(name not in self.exclude, f"`{name}` is an exemplar and in exclude; remove it from one of them")

    @property
    def classes(self) -> frozenset[int]:
        """All labels of the split."""
        drawn = (label for draw in self.draws for label in (*draw.train, *draw.test))
        return frozenset((*self.train, *self.val, *self.test, *drawn))

    def chosen(
        self, names_by_label: Mapping[int, Sequence[str]], *, seed: int | None = None, samples: int | None = None
    ) -> frozenset[str]:
        """Sample the clips of the split from the clip names of each label. Raises ValueError if `samples` is below 0.

        `seed` and `samples` replace the split's own seed and `samples_per_class`. The clips of a label are ranked by
        the hexadecimal sha256 of "<dataset>/<seed>/<name>", then by name, and the first `samples` are taken; 0 takes
        all, and a label with fewer clips gives all that it has. Clips in `exclude` are left out first.

        So the rank of a clip depends on its name alone. The order of the input does not matter, labels do not
        influence each other, the choice of fewer samples is part of the choice of more, and choosing from the chosen
        clips, or from any part of the dataset that holds them, gives the same clips again.
        """
        seed = self.seed if seed is None else seed
        samples = self.samples_per_class if samples is None else samples
        _check_samples("samples", samples)
        excluded = set(self.exclude)

        def rank(name: str) -> tuple[str, str]:
            return sha256(f"{self.dataset}/{seed}/{name}".encode()).hexdigest(), name

        ranked = (sorted(set(names) - excluded, key=rank) for names in names_by_label.values())
        return frozenset(name for names in ranked for name in names[: samples or None])

    def exemplar(self, label: int) -> str:
        """The official exemplar of a class; "" if there is none."""
        return dict(zip(self.test, self.exemplars, strict=False)).get(label, "")

    def first_exemplars(self, label: int, names: Iterable[str], pattern: str) -> tuple[str, ...]:
        """Rank the clips of one novel class; the first K are its shots.

        The official exemplar comes first, then the clips of its setup and camera, then the others, each in the order
        of their names; without an official exemplar, all are in the order of their names. Papers that name one exemplar
        do not say which five they take, so the order after the first is a choice of this project. `pattern` is the
        dataset's; its groups `setup` and `camera` are used if it has them.
        """
        official = self.exemplar(label)
        view = _view(pattern, official)

        def rank(name: str) -> tuple[bool, bool, str]:
            return name != official, official != "" and _view(pattern, name) != view, name

        return tuple(sorted(set(names), key=rank))


def _check_samples(key: str, count: int) -> None:
    require(count >= 0, f"{key} is {count}; it must be 0 (all) or more")


def _view(pattern: str, name: str) -> tuple[str | None, ...]:
    """Setup and camera, as far as the name gives them."""
    match = match_name(pattern, name)
    return tuple(match.groupdict().get(group) for group in ("setup", "camera")) if match else ()
