"""fsprep verify."""

from __future__ import annotations

import click

from cli import options
from cli.bars import meter


@click.command("verify")
@click.argument("store", metavar="STORE|URL")
@options.as_json
@options.plain_errors
def command(store: str, json_: bool) -> None:
    """Recompute every digest of a store. Exit status 2 if anything differs from what was written."""
    from prep.curate.verify import verify
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        bars.run(verify(opened), "verifying")
    text = f"{store}: {len(opened)} clips, {opened.frames} frames, all as built. Digest {opened.digest}"
    options.emit(json_, {"store": str(store), "digest": opened.digest, "ok": True}, text)
