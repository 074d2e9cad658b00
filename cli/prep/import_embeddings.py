"""fsprep import-embeddings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.prep._embed import the_store


@click.command("import-embeddings")
@click.argument("file", type=click.Path(path_type=Path))
@options.store_path
@click.option("--name", required=True, help="Name in the store, for example x_florence.")
@click.option("--names", type=click.Path(path_type=Path), help="For an .npy: the names of the clips, one per line.")
@click.option("--said", default="", metavar="TEXT", help="What made them: the model, its weights, frames and prompts.")
@click.option("--replace", is_flag=True, help="Put these in place of others under the name.")
@options.as_json
@options.plain_errors
def command(
    file: Path, store: str | None, name: str, names: Path | None, said: str, replace: bool, json_: bool
) -> None:
    """Take vectors that were computed elsewhere from FILE into a store, matched by the clips' names.

    FILE is an .npz with `names` (n,) and `video` (n, D), `text` (classes, D), or all three; or an .npy (n, D).
    """
    from prep.embedding.imported import ImportJob, import_embeddings

    opened = the_store(store)
    result = import_embeddings(ImportJob(opened, file.absolute(), name, said, names, replace))
    lines = [f"{result.store}: {result.name}: vectors of {result.width}"]
    if result.clips is not None:
        lines.append(f"  {result.clips:,} of {len(opened):,} clips have one")
    if result.classes is not None:
        lines.append(f"  {result.classes:,} class names have one")
    if result.unknown:
        lines.append(f"  {len(result.unknown):,} names are no clip of the store, {result.unknown[0]} the first")
    if result.missing:
        lines.append(f"  {len(result.missing):,} clips are without, {result.missing[0]} the first; --json has all")
    options.emit(json_, asdict(result), "\n".join(lines))
