"""fsprep import-embeddings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.prep._embed import store_or_only


@click.command("import-embeddings")
@click.argument("file", type=click.Path(path_type=Path))
@options.store_path
@click.option("--name", required=True, help="Name of the embedding in the store, for example x_florence.")
@click.option("--names", type=click.Path(path_type=Path), help="For an .npy: file with one clip name per line.")
@click.option("--description", default="", metavar="TEXT", help="Description of the model, for provenance.")
@click.option("--replace", is_flag=True, help="Replace other vectors that are stored under this name.")
@options.as_json
@options.plain_errors
def command(
    file: Path, store: str | None, name: str, names: Path | None, description: str, replace: bool, json_: bool
) -> None:
    """Import vectors that were computed elsewhere into a store; they are matched with clips by name.

    FILE is an .npz with `names` (n,) and `video` (n, D), `text` (classes, D), or all three; or an .npy (n, D).
    """
    from prep.embedding.imported import ImportJob, import_embeddings

    opened = store_or_only(store)
    result = import_embeddings(ImportJob(opened, file.absolute(), name, description, names, replace))
    lines = [f"{result.store}: {result.name}: D = {result.width}"]
    if result.clips is not None:
        lines.append(f"  {result.clips:,} of {len(opened):,} clips have a vector")
    if result.classes is not None:
        lines.append(f"  {result.classes:,} class names have a vector")
    if result.unknown:
        lines.append(f"  {len(result.unknown):,} names are no clip of the store; the first is {result.unknown[0]}")
    if result.missing:
        lines.append(
            f"  {len(result.missing):,} clips have no vector; the first is {result.missing[0]}. --json lists all"
        )
    if not result.fresh:
        lines.append("  Already there.")
    options.emit(json_, asdict(result), "\n".join(lines))
