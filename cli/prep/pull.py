"""fsprep pull."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.prep._sharing import ENVIRONMENT, jobs, run_transfer
from cli.prep._store import summary, summary_text
from cli.workspace import workspace


@click.command("pull", epilog=ENVIRONMENT)
@click.argument("url", metavar="URL|FOLDER")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@jobs
@click.option("--whole-files", is_flag=True, help="For a server without range requests; interrupted files start again.")
@options.as_json
@options.plain_errors
def command(url: str, out: Path | None, jobs: int, whole_files: bool, json_: bool) -> None:
    """Fetch the store at URL (https, http, s3) or in a folder, and verify it: every file, every array, the digest.

    The same command continues a pull that was stopped. If the store is here already, only embeddings that were added at
    URL since are fetched.
    """
    from prep.sharing.pull import pull
    from prep.storage.address import storage_at
    from prep.store.info import read_info

    _, info = read_info(storage_at(url))
    target = (out or workspace().store(info.dataset, info.subset, info.preprocessing)).absolute()
    fetched = run_transfer(pull(url, target, jobs, whole_files), "fetching", json_)
    facts = summary(target)
    options.emit(json_, asdict(facts), ("" if fetched else "Already fetched.\n") + summary_text(facts))
