"""fszoo list."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace


@click.command("list")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """List the recipes, methods, stages, backbones and splits that ship, and the runs in your workspace."""
    from manifests.facts import names
    from zoo import registry
    from zoo.experiment.library import recipes

    runs = sorted(str(path.parent) for path in workspace().runs.glob("*/recipe.toml"))
    titles = recipes()
    shipped = {
        "methods": list(registry.names("methods")),
        "pretrain": list(registry.names("pretrain")),
        "backbones": list(registry.names("backbones")),
        "splits": names("splits"),
    }
    lines = [f"{name:18} {title}" for name, title in titles.items()]
    lines += ["", *(f"{kind:10} {', '.join(members)}" for kind, members in shipped.items()), ""]
    known = {"recipes": list(titles), **shipped, "runs": runs}
    options.emit(json_, known, "\n".join(lines + (runs or ["no runs yet"])))
