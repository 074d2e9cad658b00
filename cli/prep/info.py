"""fsprep info."""

from __future__ import annotations

from dataclasses import asdict

import click

from cli import options
from cli.prep._store import summary, summary_text


@click.command("info")
@click.argument("store", metavar="STORE|URL")
@click.option("--classes", is_flag=True, help="List all classes: number, name, clips.")
@options.as_json
@options.plain_errors
def command(store: str, classes: bool, json_: bool) -> None:
    """Show the content and the origin of a store."""
    facts = summary(store)
    options.emit(json_, asdict(facts), summary_text(facts, classes))
