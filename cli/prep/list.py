"""fsprep list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli import options
from cli.workspace import workspace
from manifests.custom import read_custom
from manifests.facts import dataset, is_custom, names
from manifests.split_file import classes_of, split
from manifests.strict import InvalidValue, hint, read_toml
from manifests.text import plain


@click.command("list")
@click.argument("name", required=False, metavar="[DATASET|SPLIT]")
@options.as_json
@options.plain_errors
def command(name: str | None, json_: bool) -> None:
    """List the datasets, formats, splits, preprocessings and encoders that ship, and the stores in your workspace.

    With the name of a dataset or split, or your own file of one: its classes, each with the number that splits use.
    """
    if name:
        _list_classes(name, json_)
        return
    from prep.formats import importers, readers
    from prep.preprocessing.pipeline import pipelines

    stores = sorted(str(path) for path in workspace().stores.glob("*.zarr"))
    unfinished = sorted(str(path) for path in workspace().stores.glob("*.building"))
    shipped = {
        "datasets": names("datasets"),
        "readers": readers(),
        "importers": importers(),
        "splits": names("splits"),
        "preprocessings": pipelines(),
        "encoders": names("encoders"),
        "prompts": names("prompts"),
    }
    lines = [f"{name:14} {dataset(name).title}" for name in shipped["datasets"]]
    lines += ["", *(f"{kind:14} {', '.join(members)}" for kind, members in shipped.items() if kind != "datasets"), ""]
    lines += [plain(path) for path in stores] or ["no stores yet"]
    lines += [f"{plain(path)} (unfinished)" for path in unfinished]
    options.emit(json_, {**shipped, "stores": stores, "unfinished": unfinished}, "\n".join(lines))


def _list_classes(name: str, json_: bool) -> None:
    """The numbers and names of the classes of a dataset, or of each part of a split."""
    parts, classes = _parts(name)
    named = {part: [(label, _name(classes, label)) for label in labels] for part, labels in parts.items()}
    record = {part: [{"label": label, "name": title} for label, title in rows] for part, rows in named.items()}
    lines = []
    for part, rows in named.items():
        lines += [part, *(f"  {label:3}  {title}" for label, title in rows)]
    options.emit(json_, record, "\n".join(map(plain, lines)))


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if label < len(classes) else "(the name is not known here)"


def _parts(name: str) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Labels by part, and the names of all classes. Raises InvalidValue for an unknown name."""
    if is_custom(name) and "folder" in read_toml(Path(name)):
        data = read_custom(Path(name)).data
        return {data.name: tuple(range(len(data.classes)))}, data.classes
    whole: dict[str, tuple[int, ...]] = {}
    if name in names("datasets"):
        whole = {name: tuple(range(len(dataset(name).classes)))}
        if name not in names("splits"):
            return whole, dataset(name).classes
    if not is_custom(name) and name not in names("splits"):
        raise InvalidValue(f"`{name}` is no dataset or split. {hint(name, [*names('datasets'), *names('splits')])}")
    chosen = split(name)
    parts = {"train": chosen.train, "val": chosen.val, "test": chosen.test}
    for number, draw in enumerate(chosen.draws):
        parts |= {f"train {number}": draw.train, f"test {number}": draw.test}
    return {part: labels for part, labels in {**whole, **parts}.items() if labels}, classes_of(chosen)
