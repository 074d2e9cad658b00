"""fsprep where."""

from __future__ import annotations

import click

from cli import options
from cli.workspace import workspace


@click.command("where")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """The workspace: where raw files are expected, and stores and runs are kept."""
    place = workspace()
    folders = {"home": place.home, "raw": place.home / "raw", "stores": place.stores, "runs": place.runs}
    options.emit(json_, folders, "\n".join(f"{name:7} {path}" for name, path in folders.items()))
