"""fsprep embed-videos."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.prep._embed import encoder_options, in_workspace, listed, load_encoder, store_or_only
from cli.prep._store import RANDOM
from cli.workers import TIMEOUT, decoding_workers

if TYPE_CHECKING:
    from prep.embedding.job import StoredType, VideoJob
    from prep.embedding.videos import Result
    from prep.encoders._encoder import Precision
    from prep.progress import Work
    from prep.video.request import CropMode, DecoderName
    from prep.workers import Workers


@click.command("embed-videos")
@options.store_path
@click.option("--videos", type=click.Path(path_type=Path), help="Folder of videos [default: the dataset's raw folder].")
@encoder_options
@click.option("--frames", type=click.IntRange(min=1), help="Frames per clip [default: the weights' own number].")
@click.option(
    "--crop",
    default="joints",
    show_default=True,
    type=click.Choice(["joints", "whole"]),
    help="Crop to the joints or keep the whole frame.",
)
@click.option(
    "--decoder",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "pyav", "decord"]),
    help="Library that decodes.",
)
@options.device
@click.option("--batch", default=16, show_default=True, type=click.IntRange(min=1), help="Clips per batch.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding processes [default: one per core].")
@click.option(
    "--timeout",
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Longest time for decoding one clip; not on a cluster.",
)
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
    stored: StoredType,
    replace: bool,
    frames: int | None,
    crop: CropMode,
    decoder: DecoderName,
    device: str,
    batch: int,
    workers: int | None,
    timeout: float,
    scheduler: str,
    json_: bool,
) -> None:
    """Embed the videos of a store's clips and write the vectors into the store.

    Run the same command again to continue after a stop; clips that have a vector are skipped.

    Unreadable videos are listed and skipped (exit status 3); fix them and run the same command again.
    """
    from prep.embedding.job import VideoJob
    from prep.video.request import FrameRequest

    opened = store_or_only(store)
    loaded = load_encoder(encoder, weights, device, precision)
    count = frames or loaded.encoder.frames or loaded.facts.frames
    job = VideoJob(
        store=opened,
        videos=in_workspace(videos, opened.info.dataset),
        loaded=loaded,
        wanted=FrameRequest(count, loaded.encoder.size, crop, decoder),
        name=name or loaded.facts.name,
        batch=batch,
        stored=stored,
        replace=replace,
    )
    with decoding_workers(workers or os.cpu_count() or 1, scheduler, timeout) as pool:
        result, seconds = run(job, pool, json_)
    options.emit(json_, {**asdict(result), "seconds": seconds}, format_result(result, job, seconds))
    if result.bad:
        raise SystemExit(options.BAD_FILES)


def run(job: VideoJob, workers: Workers, quiet: bool) -> tuple[Result, dict[str, float]]:
    """Embed with a progress bar; the seconds spent in each stage are returned with the result."""
    from prep.embedding.videos import embed_videos

    seconds = {"decoding": 0.0, "encoding": 0.0}
    with meter(quiet) as bars:
        result = bars.run(_timed(embed_videos(job, workers), seconds), "embedding")
    return result, seconds


def _timed(work: Work[Result], seconds: dict[str, float]) -> Work[Result]:
    """The same work as one stage; the time until each step is added to `seconds` of its stage."""
    last = monotonic()
    while True:
        try:
            step = next(work)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        now = monotonic()
        seconds[step.stage] += now - last
        last = now
        yield replace(step, stage="")


def format_result(result: Result, job: VideoJob, seconds: dict[str, float]) -> str:
    """The result as text."""
    lines = [
        f"{result.store}: {result.name}: {result.embedded:,} of {result.clips:,} clips have a vector of "
        f"{job.loaded.encoder.width} numbers{RANDOM * job.loaded.facts.random}",
        f"  digest {result.digest}",
    ]
    if result.now:
        pace = result.now / max(sum(seconds.values()), 1e-9)
        resumed = result.fresh - result.now
        before = f"; {resumed:,} were kept from a run that was stopped" if resumed > 0 else ""
        lines.append(
            f"  {result.now:,} clips in this run, {pace:,.1f} clips/s: {seconds['decoding']:.1f} s waiting for "
            f"decoding, {seconds['encoding']:.1f} s encoding{before}"
        )
    else:
        lines.append("  Nothing new to embed.")
    lines += listed("no video", [(name, "") for name in result.missing])
    lines += listed("bad", result.bad)
    lines += listed("note", result.notes)
    if result.unused or result.unmatched:
        lines.append(
            f"  {result.unused:,} videos belong to no clip of the store, {result.unmatched:,} have names of no layout"
        )
    return "\n".join(lines)
