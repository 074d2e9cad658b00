"""fsprep train-teacher."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.prep._embed import in_workspace, listed, store_or_only
from cli.workers import decoding_workers
from cli.workspace import workspace

if TYPE_CHECKING:
    from prep.teacher.job import TeacherResult


@click.command("train-teacher")
@options.store_path
@click.option("--videos", type=click.Path(path_type=Path), help="Folder of videos [default: the demo's raw folder].")
@click.option("--split", default="demo", show_default=True, metavar="NAME|FILE.toml", help="Its `train` classes only.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Random seed.")
@click.option("--epochs", default=60, show_default=True, type=click.IntRange(min=1), help="Passes over the videos.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the weights [default: in the workspace].")
@click.option("--replace", is_flag=True, help="Replace the file if it exists.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding processes [default: one per core].")
@options.as_json
@options.plain_errors
def command(
    store: str | None,
    videos: Path | None,
    split: str,
    seed: int,
    epochs: int,
    out: Path | None,
    replace: bool,
    workers: int | None,
    json_: bool,
) -> None:
    """Train the encoder `demo_teacher` on videos of the demo's base classes, to try cross-modal methods.

    No video and no name of another class is used. It is no stand-in for published encoders; with real videos, use
    `fsprep embed-videos --encoder xclip`.

    Unreadable videos are listed and skipped (exit status 3).
    """
    from manifests.split_file import split as split_of
    from prep.teacher.job import TeacherJob, train_teacher

    opened = store_or_only(store)
    path = out or workspace().weights / "demo_teacher.safetensors"
    job = TeacherJob(opened, in_workspace(videos, opened.info.dataset), split_of(split), path, seed, epochs, replace)
    with decoding_workers(workers or os.cpu_count() or 1) as pool, meter(json_) as bars:
        result = bars.run(train_teacher(job, pool))
    options.emit(json_, asdict(result), _text(result))
    if result.bad:
        raise SystemExit(options.BAD_FILES)


def _text(result: TeacherResult) -> str:
    about = result.provenance
    lines = [
        f"{result.file}: {about.clips:,} videos of {len(about.base_classes)} base classes of `{about.split}`",
        f"  {about.accuracy:.1%} of {about.held_out:,} held-out videos of these classes match their name "
        f"(chance: {1 / len(about.base_classes):.1%})",
        f"  digest {result.weights}",
        f"  use it with --encoder demo_teacher --weights {result.file}",
    ]
    lines += listed("no video", [(name, "") for name in result.missing])
    lines += listed("bad", result.bad)
    return "\n".join(lines)
