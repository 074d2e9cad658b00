"""Facts about the world as frozen records, one TOML file each: data sets, splits, layouts, published results.

The file's name is the record's name, so `name` stands in no file. Knows no array library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from manifests.rules import classes_disjoint, groups, joints_exist, require, unique
from manifests.strict import FactError, build, hint, parse
from manifests.tables import Published, read_tables

ROOMS = ("datasets", "layouts", "splits", "published")
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Dataset:
    """One data set. `classes[label]` is the name and `actions[label]` the number in the file name of a 0-based label.

    `recipe` is the preparation recipe taken by default, `recipes` all that apply; `bodies` is the most bodies that a
    store keeps, of which a recipe may keep fewer; `fps` frames per second; `pattern` is the regular expression of a
    file's stem, with the group `action` and any of `subject`, `camera`, `setup`, `repetition`; `obtain` says how to get
    the data; `missing` names a list of clips without a skeleton ("" for none). Without `actions` they are 1, 2, 3, ...
    """

    name: str
    title: str
    layout: str
    reader: str
    recipe: str
    recipes: tuple[str, ...]
    classes: tuple[str, ...]
    bodies: int
    fps: float
    unit: str
    pattern: str
    licence: str
    redistribution: bool
    obtain: str
    source: str
    missing: str = ""
    actions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.actions:
            # The only way to give a frozen field a default that depends on another.
            object.__setattr__(self, "actions", tuple(range(1, len(self.classes) + 1)))
        require(len(self.classes) > 0, "a data set needs at least one class")
        unique("classes", self.classes)
        unique("actions", self.actions)
        unique("recipes", self.recipes)
        count = f"{len(self.actions)} actions for {len(self.classes)} classes"
        require(len(self.actions) == len(self.classes), f"{count}; there must be one number for each class")
        near = hint(self.recipe, self.recipes)
        require(self.recipe in self.recipes, f"recipe `{self.recipe}` is not in recipes. {near}")
        require(self.bodies >= 1, f"bodies is {self.bodies}; it must be at least 1")
        require(self.fps > 0, f"fps is {self.fps}; it must be above 0")
        require("action" in groups(self.pattern), f"pattern `{self.pattern}` has no group (?P<action>...)")

    def missing_names(self) -> frozenset[str]:
        """File stems of the clips whose skeleton is missing or empty. Raises FactError when there is no such list."""
        return _missing(self.missing) if self.missing else frozenset()


@dataclass(frozen=True)
class Layout:
    """V joints and how they hang together; every number is a 0-based joint.

    `bones` are V-1 (child, parent) pairs, a tree below `root`; `parts` share the joints out among body parts;
    `mirror` are (left, right) pairs; `centre` is the joint from which graphs measure hops and `spine` the one that
    preparation recipes subtract. A joint has `coordinates` numbers, in `unit`.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    # A mapping has no hash; leaving it out lets a layout be the key of a cache.
    parts: Mapping[str, tuple[int, ...]] = field(hash=False)
    mirror: tuple[tuple[int, int], ...]
    root: int
    centre: int
    spine: int
    unit: str
    coordinates: int
    title: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        unique("joints", self.joints)
        for key in ("root", "centre", "spine"):
            joints_exist(key, [getattr(self, key)], len(self.joints))
        require(self.coordinates >= 1, f"coordinates is {self.coordinates}; it must be at least 1")
        self._check_tree()
        self._check_parts()
        self._check_mirror()

    def _check_tree(self) -> None:
        joints_exist("bones", [joint for bone in self.bones for joint in bone], len(self.joints))
        require(
            len(self.bones) == len(self.joints) - 1,
            f"{len(self.bones)} bones for {len(self.joints)} joints; a tree has one fewer than joints",
        )
        unique("children of bones", [child for child, _ in self.bones])
        reached = {self.root}
        for _ in self.bones:
            reached |= {child for child, parent in self.bones if parent in reached}
        lost = sorted(set(range(len(self.joints))) - reached)
        require(not lost, f"bones do not join {lost} to the root {self.root}; they must form a tree below it")

    def _check_parts(self) -> None:
        members = [joint for part in self.parts.values() for joint in part]
        joints_exist("parts", members, len(self.joints))
        unique("joints of all parts", members)
        lost = sorted(set(range(len(self.joints))) - set(members))
        require(not lost, f"parts leave out {lost}; every joint belongs to one part")

    def _check_mirror(self) -> None:
        sides = [joint for pair in self.mirror for joint in pair]
        joints_exist("mirror", sides, len(self.joints))
        unique("joints of all mirror pairs", sides)
        image = dict(self.mirror) | {right: left for left, right in self.mirror}
        for child, parent in self.bones:
            seen = (image.get(child, child), image.get(parent, parent))
            require(seen in self.bones, f"mirror turns bone {[child, parent]} into {list(seen)}, which is no bone")


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

    def chosen(self, names_by_label: Mapping[int, Sequence[str]]) -> frozenset[str]:
        """The clips that belong to this split, out of the clip names of each label.

        Names on the data set's list of missing skeletons are left out. The others of a label are ranked by the
        hexadecimal sha256 of "<dataset>/<seed>/<name>", then by name, and the first `samples_per_class` are kept; 0
        keeps all, and a label with fewer gives what it has.

        So a clip's rank depends on nothing but its name: the order of the input does not matter, labels do not touch
        each other, a split with fewer samples lies inside one with more, and choosing again changes nothing. Whatever
        part of the data holds the chosen clips gives the same choice as the whole.
        """
        missing = dataset(self.dataset).missing_names()
        ranked = (sorted(set(names) - missing, key=self._rank) for names in names_by_label.values())
        return frozenset(name for names in ranked for name in names[: self.samples_per_class or None])

    def _rank(self, name: str) -> tuple[str, str]:
        return sha256(f"{self.dataset}/{self.seed}/{name}".encode()).hexdigest(), name


def names(room: str) -> list[str]:
    """The names that a room holds, sorted. Raises FactError.

    >>> names("layouts")
    ['kinect20', 'ntu25']
    """
    if room not in ROOMS:
        raise FactError(f"`{room}` is not a room of manifests. {hint(room, ROOMS)}")
    return sorted(path.stem for path in (_HERE / room).glob("*.toml"))


@cache
def dataset(name: str) -> Dataset:
    """The data set of that name. Raises FactError.

    >>> dataset("ntu60").classes[0]
    'drink water'
    """
    value = _read("datasets", name)
    if isinstance(value.get("classes"), dict):
        value["classes"] = build(_FirstOf, value["classes"], f"datasets/{name}.toml: classes").names()
    return build(Dataset, value, f"datasets/{name}.toml")


@cache
def layout(name: str) -> Layout:
    """The layout of that name. Raises FactError.

    >>> len(layout("ntu25").joints)
    25
    """
    return build(Layout, _read("layouts", name), f"layouts/{name}.toml")


@cache
def split(name: str) -> Split:
    """The split of that name. Raises FactError.

    >>> split("ntu_t").samples_per_class
    30
    """
    return build(Split, _read("splits", name), f"splits/{name}.toml")


@cache
def published() -> tuple[Published, ...]:
    """Every published number, paper by paper in the order of the file names. Raises FactError.

    A row may name a data set or split that has no file here yet: a paper's table is kept whole.
    """
    return tuple(row for name in names("published") for row in read_tables(_HERE / "published" / f"{name}.toml"))


@dataclass(frozen=True)
class _FirstOf:
    """`classes = { first = 60, of = "ntu120" }`: a class list is written once."""

    first: int
    of: str

    def names(self) -> tuple[str, ...]:
        whole = dataset(self.of).classes
        if not 1 <= self.first <= len(whole):
            raise FactError(f"first is {self.first}; `{self.of}` has 1 to {len(whole)} classes to give")
        return whole[: self.first]


def _read(room: str, name: str) -> dict[str, Any]:
    if name not in names(room):
        raise FactError(f"`{name}` is not one of the {room}. {hint(name, names(room))}")
    path = _HERE / room / f"{name}.toml"
    value = parse(path.read_text(encoding="utf-8"), f"{room}/{name}.toml")
    if "name" in value:
        raise FactError(f"{room}/{name}.toml: `name` is the file's name; remove the line")
    return {"name": name, **value}


@cache
def _missing(name: str) -> frozenset[str]:
    known = [path.stem for path in (_HERE / "missing").glob("*.txt")]
    if name not in known:
        raise FactError(f"`{name}` is not one of the lists in manifests/missing. {hint(name, known)}")
    lines = (_HERE / "missing" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
