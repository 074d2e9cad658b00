"""fsprep demo."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace


@click.command("demo")
@click.option("--clips", default=960, show_default=True, type=click.IntRange(min=24), help="How many recordings.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other recordings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the raw files [default: the workspace's].")
@click.option("--videos", is_flag=True, help="Also write a small AVI video of each recording.")
@options.as_json
@options.plain_errors
def command(clips: int, seed: int, out: Path | None, videos: bool, json_: bool) -> None:
    """Write a made-up data set of 24 actions as genuine .skeleton files, for those who have no data yet."""
    from prep.demo.generate import generate

    folder = out or workspace().raw("demo")
    with meter(json_) as bars:
        written = sum(1 for _ in bars.track("writing", generate(folder, clips, seed, videos)))
    options.emit(json_, {"folder": str(folder), "clips": written}, f"{written} recordings in {folder}")
