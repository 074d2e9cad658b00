"""fsprep build."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.prep._store import summary, told
from cli.workers import executor
from cli.workspace import Workspace, WorkspaceError, workspace
from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import dataset, is_custom, layout_of, split

if TYPE_CHECKING:
    from prep.build.job import Job


@click.command("build")
@click.argument("name", metavar="DATASET|FILE")
@click.option("--subset", default="", help="Only the clips of this split, for example ntu_t.")
@click.option("--preprocessing", default="", help="Preprocessing pipeline [default: the dataset's own].")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder or zip of raw files [default: the workspace's].")
@click.option(
    "--from", "held", nargs=2, metavar="FORM PATH", help="Files in this form instead; `fsprep list` has the forms."
)
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="A choice that the form leaves open.")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes [default: one per core].")
@click.option(
    "--scheduler", default="", metavar="ADDRESS", help="Work on this Dask cluster, for example tcp://host:8786."
)
@click.option("--allow-bad", is_flag=True, help="Finish without the files that are bad, and say so in the store.")
@options.as_json
@options.plain_errors
def command(
    name: str,
    subset: str,
    preprocessing: str,
    raw: Path | None,
    held: tuple[str, str] | None,
    settings: tuple[str, ...],
    out: Path | None,
    workers: int | None,
    scheduler: str,
    allow_bad: bool,
    json_: bool,
) -> None:
    """Build the store of DATASET, or of one's own data by their manifest (a .toml FILE, see `fsprep validate`).

    A build that was stopped is continued by the same command.

    Exit status 3: some raw files are bad; all others are converted, and the store stays unfinished until they are
    mended (run again) or allowed (--allow-bad).
    """
    from prep.build.job import Job
    from prep.formats import IMPORTED, format_named
    from prep.preprocessing.pipeline import pipeline

    data, place = _dataset(name, raw), workspace()
    chosen = split(subset) if subset else None
    prepared = held is not None and format_named(held[0]).prepared
    preprocessing = pipeline(preprocessing or (IMPORTED if prepared else data.preprocessing)).name
    job = Job(
        dataset=data,
        recipe=preprocessing,
        raw=(Path(held[1]) if held else raw or _raw(name, place)).absolute(),
        out=(out or place.store(data.name, chosen.name if chosen else "", preprocessing)).absolute(),
        subset=chosen,
        form=held[0] if held else "",
        options=options.pairs(settings),
        allow_bad=allow_bad,
    )
    there = job.out.exists()
    if there:
        _check_same(job)
    else:
        run(job, workers or os.cpu_count() or 1, scheduler, json_)
    facts = summary(job.out)
    options.emit(json_, asdict(facts), ("Already built.\n" if there else "") + told(facts))


def _dataset(name: str, raw: Path | None) -> Dataset:
    """A data set that ships, or one's own."""
    if not is_custom(name):
        return dataset(name)
    if raw is not None:
        raise click.UsageError(f"{name} says where its clips are: `folder`. Leave out --raw.")
    return read_custom(Path(name)).data


def _raw(name: str, place: Workspace) -> Path:
    return Path(name) if is_custom(name) else place.raw(name)


def run(job: Job, workers: int, scheduler: str, json_: bool) -> None:
    """Build with bars; bad files end the program with exit status 3."""
    from prep.build.build import BadFiles, build

    try:
        with meter(json_) as bars, executor(workers, scheduler) as (pool, at_once):
            for record in build(job, pool, window=2 * at_once):
                bars.show(record.stage, record.done, record.total, f"{record.bad} bad" if record.bad else "")
    except BadFiles as error:
        if json_:
            bad = [{"name": name, "reason": reason} for name, reason in error.bad]
            options.emit(json_, {"bad": bad, "report": str(error.report)}, "")
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(options.BAD_FILES) from error


def _check_same(job: Job) -> None:
    from prep.store.read import open_store

    held = open_store(job.out).info
    wanted = (job.dataset.name, job.subset.name if job.subset else "", job.recipe, job.form or held.form)
    if (held.dataset, held.subset, held.recipe, held.form) != wanted or dict(held.options) != dict(job.options):
        found = f"{held.dataset} {held.subset} from {held.form} prepared by `{held.recipe}`"
        raise WorkspaceError(f"{job.out} holds {found}. Choose another --out, or delete it.")
    data = job.dataset
    if (held.classes, held.layout, held.unit, held.fps) != (data.classes, layout_of(data), data.unit, data.fps):
        rule = "what is said of its classes, layout, unit or fps has changed since"
        raise WorkspaceError(f"{job.out} holds a store of {data.name}, but {rule}. Choose another --out, or delete it.")
