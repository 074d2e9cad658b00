"""fsprep where."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace


@click.command("where")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """Show the folders of the workspace: raw files, stores, runs and weights."""
    home = workspace()
    folders = {
        "home": home.home,
        "raw": home.home / "raw",
        "stores": home.stores,
        "runs": home.runs,
        "weights": home.weights,
    }
    options.emit(json_, folders, "\n".join(f"{name:7} {path}" for name, path in folders.items()))
