"""fsprep export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter

if TYPE_CHECKING:
    from prep.curate.export import FileFormat


@click.command("export")
@click.argument("store", metavar="STORE|URL")
@click.option(
    "--format",
    "file_format",
    required=True,
    type=click.Choice(["hdf5", "npz", "npy"]),
    help="hdf5 holds everything but embeddings.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write, or the folder for npy.")
@click.option("--frames", default=0, type=click.IntRange(min=0), help="npz, npy: T [default: the longest clip's].")
@options.as_json
@options.plain_errors
def command(store: str, file_format: FileFormat, out: Path, frames: int, json_: bool) -> None:
    """Write STORE as a file that other code reads; `fsprep build --from` reads it back.

    hdf5: clips end to end with their own lengths. npz: x (N, T, M * V * C), y one-hot, names. npy: a folder with
    data (N, C, T, V, M), label, frame and names. The file contains the terms of the dataset, which still apply.
    """
    from prep.curate.export import export
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        exported = bars.run(export(opened, file_format, out.absolute(), frames), "exporting")
    cut = f" {exported.cut} clips were longer than {frames} frames and were cut." if exported.cut else ""
    terms = " ".join(opened.info.licence.split())
    text = f"{out}: {len(opened)} clips.{cut} Terms: {terms}"
    record = {"out": str(out), "clips": len(opened), "cut": exported.cut, "written": exported.written}
    options.emit(json_, record, ("" if exported.written else "Already there.\n") + text)
