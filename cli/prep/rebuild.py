"""fsprep rebuild."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.prep._sharing import ENVIRONMENT
from cli.prep._store import summary, told
from cli.prep.build import run
from cli.workspace import WorkspaceError, workspace


@click.command("rebuild", epilog=ENVIRONMENT)
@click.argument("url", metavar="URL|FOLDER|FILE")
@click.option("--raw", required=True, type=click.Path(path_type=Path), help="Your own raw files: a folder or zip.")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes [default: one per core].")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Work on this Dask cluster, as `fsprep build` does.")
@options.as_json
@options.plain_errors
def command(url: str, raw: Path, out: Path | None, workers: int | None, scheduler: str, json_: bool) -> None:
    """Make the store again whose recipe lies at URL (see `fsprep push --recipe-only`), and prove that it is the same.

    Exit status 2 when it is not: the differences are told, and the store is kept as <out>.differs for inspection.
    """
    from prep.sharing.rebuild import RebuildError, check_same, job_of, read_shared
    from prep.store.read import open_store

    found = read_shared(url)
    info = found.info
    target = (out or workspace().store(info.dataset, info.subset, info.recipe)).absolute()
    aside = target.with_name(target.name + ".differs")
    if aside.exists():
        raise WorkspaceError(f"{aside} is there from an earlier attempt. Delete it, or choose another --out.")
    there = target.exists()
    if not there:
        run(job_of(found, raw.absolute(), target), workers or os.cpu_count() or 1, scheduler, json_)
    try:
        check_same(found, open_store(target))
    except RebuildError as error:
        kept = target if there else target.rename(aside)
        raise RebuildError(f"{kept}: is not the store of the recipe.\n{error}") from error
    facts = summary(target)
    text = f"{'Already there' if there else 'Built'}, and the same to the bit.\n{told(facts)}"
    options.emit(json_, {**asdict(facts), "same": True}, text)
