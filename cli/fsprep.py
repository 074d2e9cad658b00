"""fsprep: raw skeleton files to stores."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.progress import meter
from cli.workers import local_executor
from cli.workspace import WorkspaceError, workspace
from manifests.facts import dataset, names

if TYPE_CHECKING:
    from prep.build import Job
    from prep.summary import Summary

EPILOG = "Raw files are expected in FSPREP_HOME/raw/<data set>; `fsprep where` shows that folder."


@click.group(epilog=EPILOG)
@click.version_option(package_name="fewshot-skeleton")
def main() -> None:
    """Raw skeleton recordings become stores that episodes are served from."""


@main.command()
@click.option("--clips", default=960, show_default=True, type=click.IntRange(min=24), help="How many recordings.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other recordings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the raw files [default: the workspace's].")
@click.option("--videos", is_flag=True, help="Also write a small AVI video of each recording.")
@options.as_json
@options.plain_errors
def demo(clips: int, seed: int, out: Path | None, videos: bool, json_: bool) -> None:
    """Write a made-up data set of 24 actions as genuine .skeleton files, for those who have no data yet."""
    from prep.demo.generate import generate

    folder = out or workspace().raw("demo")
    with meter(json_) as bars:
        written = sum(1 for _ in bars.track("writing", generate(folder, clips, seed, videos)))
    options.emit(json_, {"folder": str(folder), "clips": written}, f"{written} recordings in {folder}")


@main.command()
@click.argument("name", metavar="DATASET")
@click.option("--subset", default="", help="Only the clips of this split, for example ntu_t.")
@click.option("--recipe", default="", help="Preparation recipe [default: the data set's own].")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder or zip of raw files [default: the workspace's].")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes [default: one per core].")
@click.option("--allow-bad", is_flag=True, help="Finish without the files that are bad, and say so in the store.")
@options.as_json
@options.plain_errors
def build(
    name: str,
    subset: str,
    recipe: str,
    raw: Path | None,
    out: Path | None,
    workers: int | None,
    allow_bad: bool,
    json_: bool,
) -> None:
    """Build the store of DATASET. A build that was stopped is continued by the same command.

    Exit status 3: some raw files are bad; all others are converted, and the store stays unfinished until they are
    mended (run again) or allowed (--allow-bad).
    """
    from prep.build import Job
    from prep.recipe import recipe as preparation

    data, place = dataset(name), workspace()
    recipe = preparation(recipe or data.recipe).name
    where_to = out or place.store(name, subset, recipe)
    job = Job(name, recipe, raw or place.raw(name), where_to, subset, allow_bad)
    there = job.out.exists()
    if there:
        _check_same(job)
    else:
        _run(job, workers or os.cpu_count() or 1, json_)
    facts = _summary(job.out)
    options.emit(json_, asdict(facts), ("Already built.\n" if there else "") + _told(facts))


@main.command()
@click.argument("store", type=click.Path(path_type=Path))
@options.as_json
@options.plain_errors
def info(store: Path, json_: bool) -> None:
    """What a store holds, and where it came from."""
    facts = _summary(store)
    options.emit(json_, asdict(facts), _told(facts))


@main.command()
@click.argument("store", type=click.Path(path_type=Path))
@options.as_json
@options.plain_errors
def verify(store: Path, json_: bool) -> None:
    """Recompute every digest of a store; exit status 2 when anything differs from what the build wrote."""
    from prep.store import open_store
    from prep.verify import verify as check

    opened = open_store(store)
    with meter(json_) as bars:
        for record in check(opened):
            bars.show("verifying", record.done, record.total)
    text = f"{store}: {len(opened)} clips, {opened.frames} frames, all as built. Digest {opened.digest}"
    options.emit(json_, {"store": str(store), "digest": opened.digest, "ok": True}, text)


@main.command("list")
@options.as_json
@options.plain_errors
def list_(json_: bool) -> None:
    """The data sets, splits and preparation recipes that are known, and the stores of the workspace."""
    from prep.recipe import recipes

    stores = sorted(str(path) for path in workspace().stores.glob("*.zarr"))
    unfinished = sorted(str(path) for path in workspace().stores.glob("*.building"))
    known = {"datasets": names("datasets"), "splits": names("splits"), "recipes": list(recipes())}
    lines = [f"{dataset(name).name:10} {dataset(name).title}" for name in known["datasets"]]
    lines += ["", f"splits     {', '.join(known['splits'])}", f"recipes    {', '.join(known['recipes'])}", ""]
    lines += stores or ["no stores yet"]
    lines += [f"{path} (unfinished)" for path in unfinished]
    options.emit(json_, {**known, "stores": stores, "unfinished": unfinished}, "\n".join(lines))


@main.command()
@options.as_json
@options.plain_errors
def where(json_: bool) -> None:
    """The workspace: where raw files are expected, and stores and runs are kept."""
    place = workspace()
    folders = {"home": place.home, "raw": place.home / "raw", "stores": place.stores, "runs": place.runs}
    options.emit(json_, folders, "\n".join(f"{name:7} {path}" for name, path in folders.items()))


def _run(job: Job, workers: int, json_: bool) -> None:
    from prep.build import BadFiles
    from prep.build import build as run

    try:
        with meter(json_) as bars, local_executor(workers) as executor:
            for record in run(job, executor, window=2 * workers):
                bars.show(record.stage, record.done, record.total, f"{record.bad} bad" if record.bad else "")
    except BadFiles as error:
        if json_:
            bad = [{"name": name, "reason": reason} for name, reason in error.bad]
            options.emit(json_, {"bad": bad, "report": str(error.report)}, "")
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(options.BAD_FILES) from error


def _check_same(job: Job) -> None:
    from prep.store import open_store

    held = open_store(job.out).info
    if (held.dataset, held.subset, held.recipe) != (job.dataset, job.subset, job.recipe):
        found = f"{held.dataset} {held.subset} prepared by `{held.recipe}`"
        raise WorkspaceError(f"{job.out} holds {found}. Choose another --out, or delete it.")


def _summary(path: Path) -> Summary:
    from prep.store import open_store
    from prep.summary import summarise

    return summarise(open_store(path))


def _told(facts: Summary) -> str:
    counts = [count for _, count in facts.clips_per_class]
    info, subset = facts.info, f" {facts.info.subset}" if facts.info.subset else ""
    lines = [
        facts.path,
        f"  {info.dataset}{subset} prepared by {info.recipe} v{info.recipe_version}, {facts.bytes / 1e6:,.1f} MB",
        f"  {facts.clips:,} clips, {facts.frames:,} frames of (M, V, C) = {facts.shape}",
        f"  {len(counts)} classes of {min(counts, default=0)} to {max(counts, default=0)} clips",
        f"  clips with two or more bodies: {facts.several_bodies:,}; without frames: {facts.without_frames:,}",
        f"  digest {facts.digest}",
    ]
    lines += [f"  left out: {name}: {reason}" for name, reason in info.left_out[:20]]
    return "\n".join(lines)
