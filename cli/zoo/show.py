"""fszoo show."""

from __future__ import annotations

from dataclasses import asdict

import click

from cli import options


@click.command("show")
@click.argument("recipe", metavar="RECIPE|FILE|RUN")
@click.option("--data", default="", metavar="SPLIT", help="Resolve the recipe for this split.")
@options.settings
@options.as_json
@options.plain_errors
def command(recipe: str, data: str, settings: tuple[str, ...], json_: bool) -> None:
    """Print RECIPE with every choice written out, options' defaults included, as TOML that `fszoo train` takes."""
    from zoo.experiment.recipe import to_toml
    from zoo.experiment.resolve import resolve

    resolved = resolve(recipe, data, settings)
    options.emit(json_, asdict(resolved), to_toml(resolved))
