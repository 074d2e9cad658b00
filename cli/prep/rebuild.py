"""fsprep rebuild."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.prep._build import run_build, workers_option
from cli.prep._sharing import ENVIRONMENT
from cli.prep._store import summary, summary_text
from cli.workspace import WorkspaceError, workspace


@click.command("rebuild", epilog=ENVIRONMENT)
@click.argument("url", metavar="URL|FOLDER|FILE")
@click.option("--raw", required=True, type=click.Path(path_type=Path), help="Your raw files: a folder or zip.")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@workers_option
@click.option("--scheduler", default="", metavar="ADDRESS", help="Use this Dask cluster, as `fsprep build` does.")
@options.as_json
@options.plain_errors
def command(url: str, raw: Path, out: Path | None, workers: int | None, scheduler: str, json_: bool) -> None:
    """Rebuild a store from its recipe at URL (see `fsprep push --recipe-only`) and check that it is bit-identical.

    Exit status 2 if it differs: the differences are listed, and the store is kept as <out>.differs.
    """
    from prep.sharing.rebuild import RebuildError, check_same, job_of, read_recipe
    from prep.store.read import open_store

    recipe = read_recipe(url)
    info = recipe.info
    target = (out or workspace().store(info.dataset, info.subset, info.preprocessing)).absolute()
    aside = target.with_name(target.name + ".differs")
    if aside.exists():
        raise WorkspaceError(f"{aside} exists from an earlier attempt. Delete it, or choose another --out.")
    exists, remarks = target.exists(), list[str]()
    if not exists or target.with_name(f"{target.name}.building").exists():  # a killed build may have left its parts
        remarks = run_build(job_of(recipe, raw.absolute(), target), workers, scheduler, json_)
    try:
        check_same(recipe, open_store(target))
    except RebuildError as error:
        kept = target if exists else target.rename(aside)
        raise RebuildError(f"{kept}: is not the store of the recipe.\n{error}") from error
    facts = summary(target)
    text = f"{'Already there' if exists else 'Built'}, and bit-identical to the shared store.\n{summary_text(facts)}"
    options.emit(json_, {**asdict(facts), "same": True, "remarks": remarks}, text)
