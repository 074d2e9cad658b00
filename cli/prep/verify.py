"""fsprep verify."""

from __future__ import annotations

from dataclasses import asdict

import click

from cli import options
from cli.bars import meter
from cli.prep._sharing import KB


@click.command("verify")
@click.argument("store", metavar="STORE|URL")
@options.as_json
@options.plain_errors
def command(store: str, json_: bool) -> None:
    """Recompute every digest of a store, and the sha256 of its files. Exit status 2 if anything differs.

    A data card that was changed, and files that belong to no array, are named and are no error.
    """
    from prep.curate.verify import verify
    from prep.sharing.sums import verify_files
    from prep.store.manifest import first_names
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        bars.run(verify(opened), "verifying")
        beside = bars.run(verify_files(opened), scale=KB)
    lines = [f"{store}: {len(opened)} clips, {opened.frames} frames, all as built. Digest {opened.digest}"]
    if beside.card is False:
        lines += [
            "  card.md is not the card of this store: changed, or by another version. `fsprep push` writes it anew."
        ]
    if beside.extra:
        lines += [f"  {len(beside.extra):,} files that belong to no array: {first_names(beside.extra)}"]
    record = {"store": str(store), "digest": opened.digest, "ok": True, **asdict(beside)}
    options.emit(json_, record, "\n".join(lines))
