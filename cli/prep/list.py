"""fsprep list."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace
from manifests.facts import dataset, names
from manifests.text import plain


@click.command("list")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """List the datasets, formats, splits, preprocessings and encoders that ship, and the stores in your workspace."""
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
