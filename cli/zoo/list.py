"""fszoo list."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace


@click.command("list")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """List the recipes, methods, stages, backbones and splits that ship, and the runs in your workspace.

    Runs that are not finished are marked with the episodes of their last checkpoint, failed ones with their error.
    """
    from manifests.facts import names
    from zoo import registry
    from zoo.experiment.library import recipes
    from zoo.runs.status import runs_in, status

    states = {str(path): status(path) for path in runs_in(workspace().runs)}
    titles = recipes()
    shipped = {
        "methods": list(registry.names("methods")),
        "pretrain": list(registry.names("pretrain")),
        "backbones": list(registry.names("backbones")),
        "splits": names("splits"),
    }
    lines = [f"{name:18} {title}" for name, title in titles.items()]
    lines += ["", *(f"{kind:10} {', '.join(members)}" for kind, members in shipped.items()), ""]
    lines += [path if state.state == "finished" else f"{path}  {state}" for path, state in states.items()]
    open_runs = {path: vars(state) for path, state in states.items() if state.state != "finished"}
    known = {"recipes": list(titles), **shipped, "runs": list(states), "unfinished": open_runs}
    options.emit(json_, known, "\n".join(lines if states else [*lines, "no runs yet"]))
