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
    """Recompute every digest of a store; exit status 2 when anything differs from what the build wrote."""
    from prep.curate.verify import verify
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        for record in verify(opened):
            bars.show("verifying", record.done, record.total)
    text = f"{store}: {len(opened)} clips, {opened.frames} frames, all as built. Digest {opened.digest}"
    options.emit(json_, {"store": str(store), "digest": opened.digest, "ok": True}, text)
