"""fsprep demo."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace


@click.command("demo")
@click.option("--clips", default=960, show_default=True, type=click.IntRange(min=24), help="Number of recordings.")
@click.option("--seed", default=0, show_default=True, help="Random seed; another seed gives other recordings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the raw files [default: in the workspace].")
@click.option("--videos", is_flag=True, help="Also write a small AVI video of each recording.")
@options.as_json
@options.plain_errors
def command(clips: int, seed: int, out: Path | None, videos: bool, json_: bool) -> None:
    """Generate a synthetic dataset of 24 actions as NTU .skeleton files, to try the toolkit without data.

    If the command was stopped, run it again: it continues.
    """
    from prep.demo.generate import generate

    folder = out or workspace().raw("demo")
    with meter(json_) as bars:
        written = bars.run(generate(folder, clips, seed, videos), "writing")
    options.emit(json_, {"folder": str(folder), "clips": written}, f"{written} recordings in {folder}")
