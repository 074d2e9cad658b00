"""fsprep export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter

if TYPE_CHECKING:
    from prep.curate.export import Format


@click.command("export")
@click.argument("store", metavar="STORE|URL")
@click.option(
    "--format", "form", required=True, type=click.Choice(["hdf5", "npz", "npy"]), help="hdf5 keeps all but embeddings."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The file, or for npy the folder, to write."
)
@click.option("--frames", default=0, type=click.IntRange(min=0), help="npz, npy: T [default: the longest clip's].")
@options.as_json
@options.plain_errors
def command(store: str, form: Format, out: Path, frames: int, json_: bool) -> None:
    """Write STORE in a form that other code reads; `fsprep build --from` reads it back.

    hdf5: clips end to end with their own lengths. npz: x (N, T, M * V * C), y one-hot, names. npy: a folder with
    data (N, C, T, V, M), label, frame and names. The terms of the data set go along, and still hold.
    """
    from prep.curate.export import export
    from prep.store.read import open_store

    opened, cut = open_store(store), 0
    with meter(json_) as bars:
        for record in bars.track("exporting", export(opened, form, out.absolute(), frames)):
            cut = record.cut
    note = f" {cut} clips were longer than {frames} frames and are cut." if cut else ""
    text = f"{out}: {len(opened)} clips.{note} Terms: {opened.info.licence}"
    options.emit(json_, {"out": str(out), "clips": len(opened), "cut": cut}, text)
