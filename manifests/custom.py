"""A custom dataset: a folder of arrays and a dataset file of about twenty lines, as in manifests/custom_example.toml.

Each clip is one file: `.npy` (frames, joints, coordinates) or (frames, bodies, joints, coordinates); `.npz` or `.mat`
with such an array called `joints`; `.json` with the same numbers as nested lists; or `.txt` or `.csv` with a line per
frame, all numbers of the first joint first. A body is absent from a frame if all its numbers are zero or missing (NaN,
`null` in JSON, an empty cell in CSV). The dataset is named after its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from manifests import facts
from manifests.dataset import Dataset
from manifests.layout import IMAGE_UNITS, Layout
from manifests.rules import groups, require, unique
from manifests.strict import InvalidValue, build, hint, read_toml

EXAMPLE = Path(__file__).with_name("custom_example.toml")
# The pipelines for every layout, the default first; those of papers have steps for two layouts only.
PIPELINES, OF_PAPERS, PREPARED = ("standard", "raw"), ("agcn", "ctrgcn"), ("kinect20", "ntu25")
GROUPS = ("action", "subject", "camera", "setup", "repetition")
BY_NAME, BY_FOLDER = "name", "folder"


@dataclass(frozen=True)
class CustomLayout:
    """A skeleton that does not ship. Only `joints` (their names) and `bones`, pairs (child, parent), are required.

    Joints are numbered from 0; the root is the one joint that is no bone's child. Defaults: `centre`, `spine` and
    `hips` (the joints whose mean is the position of a body) are the root, `parts` is one part with all joints, and
    `mirror`, pairs (left, right), is empty. `up` is "y", but "-y" in an image.
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    coordinates: int = 3
    centre: int = -1
    spine: int = -1
    hips: tuple[int, ...] = ()
    up: Literal["x", "-x", "y", "-y", "z", "-z", ""] = ""
    mirror: tuple[tuple[int, int], ...] = ()
    parts: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def layout(self, name: str, unit: str) -> Layout:
        """The complete layout. Raises ValueError if the bones are no tree, or joints do not exist."""
        require(2 <= self.coordinates <= 16, f"coordinates is {self.coordinates}; it must be 2 to 16")
        joints, children = range(len(self.joints)), {child for child, _ in self.bones}
        roots = [joint for joint in joints if joint not in children]
        require(len(roots) > 0, "every joint is the child of a bone; one must not be, the root")
        require(len(roots) < 2, f"joints {roots} are no bone's child; only one may be, the root")
        root = roots[0]
        return Layout(
            name=name,
            joints=self.joints,
            bones=self.bones,
            parts=self.parts or {"body": tuple(joints)},
            mirror=self.mirror,
            root=root,
            centre=root if self.centre < 0 else self.centre,
            spine=root if self.spine < 0 else self.spine,
            hips=self.hips or (root,),
            up=self.up or ("-y" if unit in IMAGE_UNITS else "y"),
            unit=unit,
            coordinates=self.coordinates,
            # Stored in every store of the dataset: another text would change their digests.
            title=f"{name}, a layout of its own",
        )


@dataclass(frozen=True)
class DatasetFile:
    """The keys of a dataset file. Paths are relative to the file's folder.

    folder: the folder of the clips.
    labels: where a clip's class is found: "name" (the group `action` of `pattern`), "folder" (the subfolder's name), or
        the path of a CSV file with the columns name and label. A class is given by its name in `classes` or by its
        number in `actions` (1, 2, 3, ... by default).
    pattern: regular expression for a clip's name without the extension, with any of the groups action, subject, camera,
        setup, repetition.
    layout: the name of a layout that ships; without it, the file has a table `custom_layout`.
    joint_order: names of the layout's joints in the order of the files, "" for a joint of the files that the layout
        lacks; without it, the files have the layout's order.
    preprocessing: the default pipeline: "standard" (hips at zero, bones of unit length), "raw" (as recorded), and
        for kinect20 and ntu25 also "agcn" and "ctrgcn".
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
    preprocessing: str = PIPELINES[0]
    source: str = ""
    actions: tuple[int, ...] = ()
    joint_order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        valid = self.labels.endswith(".csv") or self.labels in (BY_NAME, BY_FOLDER)
        require(valid, f'labels is `{self.labels}`; it must be "name", "folder" or the path of a .csv file')
        require(bool(self.unit), "unit is empty; write for example metre")
        require(bool(self.licence), 'licence is empty; write the terms, for example "CC-BY-4.0" or "not decided"')
        for group in groups(self.pattern):
            require(group in GROUPS, f"pattern has a group `{group}`. {hint(group, GROUPS)}")
        require(1 <= self.bodies <= 64, f"bodies is {self.bodies}; it must be 1 to 64")


@dataclass(frozen=True)
class CustomDataset:
    """A custom dataset: its facts, the folder of its clips, and where labels are (subfolders, a CSV file, or names)."""

    data: Dataset
    folder: Path
    by_folder: bool
    table: Path | None


def read_custom(path: Path) -> CustomDataset:
    """Read a dataset file. Raises InvalidValue, naming the file, the rule and the remedy."""
    value = read_toml(path)
    table = value.pop("custom_layout", None)
    file = build(DatasetFile, value, str(path))
    _check_name(path)
    data = _dataset(file, path, _layout(file, table, path))
    labels = path.parent / file.labels if file.labels.endswith(".csv") else None
    return CustomDataset(data, path.parent / file.folder, file.labels == BY_FOLDER, labels)


def _check_name(path: Path) -> None:
    rule = "the dataset is named after its file"
    if not re.fullmatch(r"\w[\w-]*", path.stem, re.ASCII):
        raise InvalidValue(f"{path}: {rule}, so letters, digits, _ and - only. Rename the file.")
    if path.stem in (*facts.names("datasets"), *facts.names("layouts")):
        raise InvalidValue(f"{path}: {rule}, and `{path.stem}` ships already. Rename the file.")


def _layout(file: DatasetFile, table: Any, path: Path) -> Layout | None:
    """The custom layout, or None if the dataset has one that ships."""
    if (table is None) == (file.layout == ""):
        known = ", ".join(facts.names("layouts"))
        problem = "layout and custom_layout exclude each other" if file.layout else "no layout is given"
        remedy = f"Name one of {known}, or give a table [custom_layout] with joints and bones."
        raise InvalidValue(f"{path}: {problem}. {remedy}")
    if table is not None:
        where = f"{path}: custom_layout"
        if not isinstance(table, dict):
            raise InvalidValue(f"{where} is not a table; write [custom_layout] and below it joints and bones")
        layout = build(CustomLayout, table, where)
        with _located(where):
            return layout.layout(path.stem, file.unit)
    if file.layout not in facts.names("layouts"):
        raise InvalidValue(f"{path}: `{file.layout}` is not a layout. {hint(file.layout, facts.names('layouts'))}")
    unit = facts.layout(file.layout).unit
    if file.unit != unit:
        rule = f'unit is "{file.unit}", but the layout {file.layout} counts in "{unit}"'
        raise InvalidValue(f"{path}: {rule}. Convert the numbers, or give a custom layout.")
    return None


def _dataset(file: DatasetFile, path: Path, layout: Layout | None) -> Dataset:
    with _located(str(path)):
        return Dataset(
            name=path.stem,
            title=file.title,
            layout=path.stem if layout else file.layout,
            readers=("own",),
            preprocessing=file.preprocessing,
            preprocessings=(*PIPELINES, *OF_PAPERS) if file.layout in PREPARED else PIPELINES,
            classes=file.classes,
            bodies=file.bodies,
            fps=file.fps,
            unit=file.unit,
            pattern=file.pattern,
            licence=file.licence,
            redistribution=file.redistribution,
            obtain=f"Ask whoever wrote {path.name}.",
            source=file.source or file.title,
            labels="name" if file.labels == BY_NAME else "files",
            actions=file.actions,
            custom_layout=layout,
            joint_order=_joint_order(file.joint_order, (layout or facts.layout(file.layout)).joints),
        )


def _joint_order(order: Sequence[str], joints: Sequence[str]) -> tuple[int, ...]:
    """The layout's joint at each position of the files, -1 for one that it lacks.

    >>> _joint_order(["head", "", "hip"], ["hip", "head"])
    (1, -1, 0)
    """
    named = [name for name in order if name]
    for name in named:
        require(name in joints, f"joint_order: `{name}` is not a joint of the layout. {hint(name, joints)}")
    unique("joint_order", named)
    missing = [name for name in joints if order and name not in named]
    rule = f"joint_order leaves out {', '.join(missing)}; it names every joint of the layout once, in the files' order"
    require(not missing, rule)
    return tuple(joints.index(name) if name else -1 for name in order)


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Turn a ValueError into an InvalidValue that begins with `where`."""
    try:
        yield
    except ValueError as error:
        raise InvalidValue(f"{where}: {error}") from error
