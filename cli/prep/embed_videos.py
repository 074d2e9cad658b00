"""fsprep embed-videos."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.prep._embed import in_workspace, model, options_of_encoders, the_store
from cli.prep._store import RANDOM
from cli.workers import sturdy_executor

if TYPE_CHECKING:
    from prep.embedding.job import Stored, VideoJob
    from prep.embedding.videos import Result
    from prep.encoders._encoder import Precision
    from prep.video.request import Crop, DecoderName

SHOWN = 20


@click.command("embed-videos")
@options.store_path
@click.option(
    "--videos", type=click.Path(path_type=Path), help="Folder of videos [default: the data set's raw folder]."
)
@options_of_encoders
@click.option("--frames", type=click.IntRange(min=1), help="Frames of a clip [default: what the weights take].")
@click.option(
    "--crop", default="joints", show_default=True, type=click.Choice(["joints", "whole"]), help="What is shown."
)
@click.option("--decoder", default="auto", show_default=True, type=click.Choice(["auto", "pyav", "decord"]))
@options.device
@click.option("--batch", default=16, show_default=True, type=click.IntRange(min=1), help="Clips encoded at once.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding processes [default: one per core].")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Decode on this Dask cluster, tcp://host:8786.")
@options.as_json
@options.plain_errors
def command(
    store: str | None,
    videos: Path | None,
    encoder: str,
    weights: str,
    name: str,
    precision: Precision,
    stored: Stored,
    replace: bool,
    frames: int | None,
    crop: Crop,
    decoder: DecoderName,
    device: str,
    batch: int,
    workers: int | None,
    scheduler: str,
    json_: bool,
) -> None:
    """Embed the videos that belong to the clips of a store, and keep the vectors in it.

    What was stopped is continued by the same command; clips that have a vector are left as they are.

    Exit status 3: some videos are bad and named; all others are embedded. Mend them and run the same command.
    """
    from prep.embedding.job import VideoJob
    from prep.video.request import Wanted

    opened = the_store(store)
    loaded = model(encoder, weights, device, precision)
    count = frames or loaded.encoder.frames or loaded.facts.frames
    job = VideoJob(
        store=opened,
        videos=in_workspace(videos, opened.info.dataset),
        model=loaded,
        wanted=Wanted(count, loaded.encoder.size, crop, decoder),
        name=name or loaded.facts.name,
        batch=batch,
        stored=stored,
        replace=replace,
    )
    result, seconds = run(job, workers or os.cpu_count() or 1, scheduler, json_)
    options.emit(json_, {**asdict(result), "seconds": seconds}, told(result, job, seconds))
    if result.bad:
        raise SystemExit(options.BAD_FILES)


def run(job: VideoJob, workers: int, scheduler: str, quiet: bool) -> tuple[Result, dict[str, float]]:
    """Embed with a bar, and the seconds that went by until each stage was over."""
    from prep.embedding.videos import Embedding, Workers, embed_videos

    seconds = {"decoding": 0.0, "encoding": 0.0}
    with meter(quiet) as bars, sturdy_executor(workers, scheduler) as (pool, at_once, died):
        last = monotonic()
        for record in embed_videos(job, Workers(pool, at_once, died)):
            if not isinstance(record, Embedding):
                return record, seconds
            now = monotonic()
            seconds[record.stage] += now - last
            last = now
            bars.show("embedding", record.done, record.total, f"{record.bad} bad" if record.bad else "")
    raise AssertionError("embed_videos ended without a result")


def told(result: Result, job: VideoJob, seconds: dict[str, float]) -> str:
    """The result as text."""
    lines = [
        f"{result.store}: {result.name}: {result.embedded:,} of {result.clips:,} clips have a vector of "
        f"{job.model.encoder.width} numbers{RANDOM * job.model.facts.random}",
        f"  digest {result.digest}",
    ]
    if result.now:
        pace = result.now / max(sum(seconds.values()), 1e-9)
        kept = result.fresh - result.now
        before = f"; {kept:,} were kept from a run that was stopped" if kept > 0 else ""
        lines.append(
            f"  {result.now:,} worked on at {pace:,.1f} clips/s: {seconds['decoding']:.1f} s waiting for decoding, "
            f"{seconds['encoding']:.1f} s encoding{before}"
        )
    else:
        lines.append("  Nothing new to embed.")
    lines += _listed("no video", [(name, "") for name in result.missing])
    lines += _listed("bad", result.bad)
    lines += _listed("note", result.notes)
    if result.unused or result.unmatched:
        lines.append(
            f"  {result.unused:,} videos belong to no clip of the store, {result.unmatched:,} are named otherwise"
        )
    return "\n".join(lines)


def _listed(what: str, rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> list[str]:
    lines = [f"  {what}: {name}{f': {reason}' if reason else ''}" for name, reason in rows[:SHOWN]]
    return lines + ([f"  ... and {len(rows) - SHOWN:,} more; --json has all"] if len(rows) > SHOWN else [])
