"""fsprep info."""

from __future__ import annotations

from dataclasses import asdict

import click

from cli import options
from cli.prep._store import summary, told


@click.command("info")
@click.argument("store", metavar="STORE|URL")
@options.as_json
@options.plain_errors
def command(store: str, json_: bool) -> None:
    """What a store holds, and where it came from."""
    facts = summary(store)
    options.emit(json_, asdict(facts), told(facts))
