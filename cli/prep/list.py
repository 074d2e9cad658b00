"""fsprep list."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace
from manifests.facts import dataset, names


@click.command("list")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """The data sets, forms, splits, recipes and encoders that are known, and the stores of the workspace."""
    from prep.formats import importers, readers
    from prep.preprocessing.pipeline import recipes

    stores = sorted(str(path) for path in workspace().stores.glob("*.zarr"))
    unfinished = sorted(str(path) for path in workspace().stores.glob("*.building"))
    known = {
        "datasets": names("datasets"),
        "readers": readers(),
        "importers": importers(),
        "splits": names("splits"),
        "recipes": list(recipes()),
        "encoders": names("encoders"),
        "prompts": names("prompts"),
    }
    lines = [f"{dataset(name).name:10} {dataset(name).title}" for name in known["datasets"]]
    lines += ["", *(f"{room:10} {', '.join(members)}" for room, members in known.items() if room != "datasets"), ""]
    lines += stores or ["no stores yet"]
    lines += [f"{path} (unfinished)" for path in unfinished]
    options.emit(json_, {**known, "stores": stores, "unfinished": unfinished}, "\n".join(lines))
