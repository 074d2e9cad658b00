"""fsprep merge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.prep._store import summary, summary_text


@click.command("merge")
@click.argument("stores", metavar="STORE|URL...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The store to write.")
@options.as_json
@options.plain_errors
def command(stores: tuple[str, ...], out: Path, json_: bool) -> None:
    """Merge stores of the same dataset and preprocessing into one, for example parts built by several people.

    Clips with the same name must be identical and are stored once; the digest equals that of a store built in one run.
    Embeddings are merged if all stores used the same settings.
    """
    from prep.curate.merge import merge
    from prep.curate.merge_embeddings import left_out
    from prep.store.read import open_store

    if len(stores) < 2:
        raise click.UsageError("Name two stores or more.")
    opened = [open_store(store) for store in stores]
    with meter(json_) as bars:
        written = bars.run(merge(opened, out.absolute()))
    facts = summary(out)
    reasons = left_out(opened)
    notes = [f"\n  embedding `{name}` is not merged: {reason}" for name, reason in reasons.items()]
    text = ("" if written else "Already merged.\n") + summary_text(facts) + "".join(notes)
    options.emit(json_, {**asdict(facts), "embeddings_left": reasons, "written": written}, text)
