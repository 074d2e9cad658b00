"""One's own data set: a folder of arrays and a manifest of about twenty lines, as in manifests/custom_example.toml.

Each clip is one file: `.npy` (frames, joints, coordinates) or (frames, bodies, joints, coordinates), `.npz` with such
an array called `joints`, or `.json` with the same as nested lists. A body whose numbers are all zero or all missing
(NaN, `null` in JSON) is absent from that frame. The data set's name is the manifest's file name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manifests import facts
from manifests.dataset import Dataset
from manifests.layout import Layout
from manifests.rules import groups, require
from manifests.strict import InvalidValue, build, hint, read_toml

EXAMPLE = Path(__file__).with_name("custom_example.toml")
# Layouts that every preparation recipe knows; any layout can be taken as recorded.
PREPARED = ("kinect20", "ntu25")
GROUPS = ("action", "subject", "camera", "setup", "repetition")
BY_NAME, BY_FOLDER = "name", "folder"


@dataclass(frozen=True)
class CustomLayout:
    """A skeleton that does not ship. Only `joints` (their names) and `bones`, pairs (child, parent), must be given.

    Joints are numbered from 0; the one that is no bone's child is the root. Where they are left out, `centre` and
    `spine` are the root, `parts` is one part of all joints, and `mirror`, pairs (left, right), is empty.
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    coordinates: int = 3
    centre: int = -1
    spine: int = -1
    mirror: tuple[tuple[int, int], ...] = ()
    parts: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def layout(self, name: str, unit: str) -> Layout:
        """The whole layout. Raises ValueError where the bones are no tree, or joints do not exist."""
        require(2 <= self.coordinates <= 16, f"coordinates is {self.coordinates}; it must be 2 to 16")
        joints, children = range(len(self.joints)), {child for child, _ in self.bones}
        tops = [joint for joint in joints if joint not in children]
        require(len(tops) > 0, "every joint is the child of a bone; one must not be, the root")
        require(len(tops) < 2, f"joints {tops} are no bone's child; only one may be, the root")
        root = tops[0]
        return Layout(
            name=name,
            joints=self.joints,
            bones=self.bones,
            parts=self.parts or {"body": tuple(joints)},
            mirror=self.mirror,
            root=root,
            centre=root if self.centre < 0 else self.centre,
            spine=root if self.spine < 0 else self.spine,
            unit=unit,
            coordinates=self.coordinates,
            title=f"{name}, a layout of its own",
        )


@dataclass(frozen=True)
class Own:
    """A manifest as it is written; paths in it count from the manifest's own folder.

    `folder` holds the clips. `labels` says where a clip's class stands: "name" (the group `action` of `pattern`),
    "folder" (the subfolder of that name), or the path of a CSV file with the columns name and label. A class is named
    as in `classes`, or by its number in `actions` (1, 2, 3, ... unless given). `pattern` is the regular expression of a
    clip's name, without the ending, with any of the groups action, subject, camera, setup, repetition. `layout` is the
    name of a layout that ships, or is left out and the table `custom_layout` given. `recipe` is the preparation taken by
    default.
    """

    title: str
    folder: str
    classes: tuple[str, ...]
    unit: str
    fps: float
    licence: str
    redistribution: bool
    layout: str = ""
    labels: str = BY_NAME
    pattern: str = ".+"
    bodies: int = 1
    recipe: str = "raw"
    source: str = ""
    actions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        table = self.labels.endswith(".csv")
        known = table or self.labels in (BY_NAME, BY_FOLDER)
        require(known, f'labels is `{self.labels}`; it must be "name", "folder" or the path of a .csv file')
        require(bool(self.unit), "unit is empty; write for example metre")
        require(bool(self.licence), 'licence is empty; write the terms, for example "CC-BY-4.0" or "not decided"')
        for group in groups(self.pattern):
            require(group in GROUPS, f"pattern has a group `{group}`. {hint(group, GROUPS)}")
        require(1 <= self.bodies <= 64, f"bodies is {self.bodies}; it must be 1 to 64")


@dataclass(frozen=True)
class CustomDataset:
    """A manifest understood: the data set, the folder of its clips, and where labels stand (a file, or None)."""

    data: Dataset
    folder: Path
    by_folder: bool
    table: Path | None


def read_custom(path: Path) -> CustomDataset:
    """The manifest at `path`. Raises InvalidValue, naming the file, the rule and the remedy."""
    value = read_toml(path)
    table = value.pop("custom_layout", None)
    own = build(Own, value, str(path))
    _check_name(path)
    data = _dataset(own, path, _layout(own, table, path))
    labels = path.parent / own.labels if own.labels.endswith(".csv") else None
    return CustomDataset(data, path.parent / own.folder, own.labels == BY_FOLDER, labels)


def _check_name(path: Path) -> None:
    rule = "the data set is named after its manifest"
    if not re.fullmatch(r"\w[\w-]*", path.stem, re.ASCII):
        raise InvalidValue(f"{path}: {rule}, so letters, digits, _ and - only. Rename the file.")
    if path.stem in (*facts.names("datasets"), *facts.names("layouts")):
        raise InvalidValue(f"{path}: {rule}, and `{path.stem}` ships already. Rename the file.")


def _layout(own: Own, table: Any, path: Path) -> Layout | None:
    """The layout of the manifest's own, or None for one that ships."""
    if (table is None) == (own.layout == ""):
        known = ", ".join(facts.names("layouts"))
        both = "layout and custom_layout exclude each other" if own.layout else "no layout is given"
        raise InvalidValue(f"{path}: {both}. Name one of {known}, or give a table [custom_layout] with joints and bones.")
    if table is not None:
        where = f"{path}: custom_layout"
        if not isinstance(table, dict):
            raise InvalidValue(f"{where} is not a table; write [custom_layout] and below it joints and bones")
        given = build(CustomLayout, table, where)
        with _placed(where):
            return given.layout(path.stem, own.unit)
    if own.layout not in facts.names("layouts"):
        raise InvalidValue(f"{path}: `{own.layout}` is not a layout. {hint(own.layout, facts.names('layouts'))}")
    unit = facts.layout(own.layout).unit
    if own.unit != unit:
        rule = f'unit is "{own.unit}", but the layout {own.layout} counts in "{unit}"'
        raise InvalidValue(f"{path}: {rule}. Convert the numbers, or give a layout of your own.")
    return None


def _dataset(own: Own, path: Path, known: Layout | None) -> Dataset:
    by_name = own.labels == BY_NAME
    with _placed(str(path)):
        return Dataset(
            name=path.stem,
            title=own.title,
            layout=path.stem if known else own.layout,
            readers=("own",),
            recipe=own.recipe,
            recipes=("raw", "agcn", "ctrgcn") if own.layout in PREPARED else ("raw",),
            classes=own.classes,
            bodies=own.bodies,
            fps=own.fps,
            unit=own.unit,
            pattern=own.pattern,
            licence=own.licence,
            redistribution=own.redistribution,
            obtain=f"Ask whoever wrote {path.name}.",
            source=own.source or own.title,
            labels="name" if by_name else "files",
            actions=own.actions,
            custom_layout=known,
        )


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """A broken rule becomes a InvalidValue with the place in front."""
    try:
        yield
    except ValueError as error:
        raise InvalidValue(f"{where}: {error}") from error
