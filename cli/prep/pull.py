"""fsprep pull."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.prep._sharing import ENVIRONMENT, jobs, show
from cli.prep._store import summary, told
from cli.workspace import workspace


@click.command("pull", epilog=ENVIRONMENT)
@click.argument("url", metavar="URL|FOLDER")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@jobs
@click.option("--whole-files", is_flag=True, help="For a server that ignores ranges; a file that broke begins anew.")
@options.as_json
@options.plain_errors
def command(url: str, out: Path | None, jobs: int, whole_files: bool, json_: bool) -> None:
    """Fetch the store at URL (https, http, s3) or in a folder, every file checked by its sha256.

    A pull that was stopped is continued by the same command. Where the store is here already, only the embeddings that
    were added there since are fetched.
    """
    from prep.sharing.share import pull
    from prep.storage.address import storage_at as place
    from prep.store.info import described

    _, info = described(place(url))
    target = (out or workspace().store(info.dataset, info.subset, info.recipe)).absolute()
    with meter(json_) as bars:
        moved = show(bars, "fetching", pull(url, target, jobs, whole_files))
    facts = summary(target)
    options.emit(json_, asdict(facts), ("" if moved else "Already fetched.\n") + told(facts))
