"""fszoo show."""

from __future__ import annotations

from dataclasses import asdict

import click

from cli import options
from cli.zoo._common import warn


@click.command("show")
@click.argument("recipe", metavar="RECIPE|FILE|RUN")
@click.option("--data", default="", metavar="SPLIT", help="Resolve the recipe for this split.")
@options.settings
@options.as_json
@options.plain_errors
def command(recipe: str, data: str, settings: tuple[str, ...], json_: bool) -> None:
    """Print RECIPE with every choice written out, options' defaults included, as TOML that `fszoo train` takes.

    For a custom split, `fszoo train` fits the settings to the skeleton of the store, and says what it changes. The
    code in a .py file of your own is executed.
    """
    from zoo.experiment.recipe import to_toml
    from zoo.experiment.resolve import resolve_with_remarks

    resolved = resolve_with_remarks(recipe, data, settings)
    if not json_:
        warn(resolved.remarks)
    options.emit(json_, asdict(resolved.recipe), to_toml(resolved.recipe))
