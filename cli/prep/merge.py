"""fsprep merge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.prep._store import summary, told


@click.command("merge")
@click.argument("stores", metavar="STORE|URL...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The store to write.")
@options.as_json
@options.plain_errors
def command(stores: tuple[str, ...], out: Path, json_: bool) -> None:
    """Make one store of several of the same data set and recipe, for example of shards built by several people.

    Clips of one name must be alike in all, and are kept once. Built at once from the same files, the store would have
    the same digest. Embeddings go along where all were made in one way.
    """
    from prep.curate.merge import merge
    from prep.curate.merge_embeddings import left_out
    from prep.store.read import open_store

    if len(stores) < 2:
        raise click.UsageError("Name two stores or more.")
    opened = [open_store(store) for store in stores]
    with meter(json_) as bars:
        for step in merge(opened, out.absolute()):
            bars.show(step.stage, step.done, step.total)
    facts = summary(out)
    left = left_out(opened)
    notes = [f"\n  embedding `{name}` is not merged: {why}" for name, why in left.items()]
    options.emit(json_, {**asdict(facts), "embeddings_left": left}, told(facts) + "".join(notes))
