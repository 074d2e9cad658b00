"""fsprep build."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.prep._build import run_build, workers_option
from cli.prep._store import summary, summary_text
from cli.workspace import Workspace, WorkspaceError, workspace
from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import dataset, is_custom, layout_of
from manifests.split_file import split

if TYPE_CHECKING:
    from prep.building.job import Job


@click.command("build")
@click.argument("name", metavar="DATASET|FILE")
@click.option("--subset", default="", help="Only the clips of this split, for example ntu_t.")
@click.option(
    "--preprocessing", default="", metavar="NAME", help="Preprocessing pipeline [default: the dataset's own]."
)
@click.option("--raw", type=click.Path(path_type=Path), help="Folder or zip of raw files [default: in the workspace].")
@click.option(
    "--from",
    "imported",
    nargs=2,
    metavar="FORMAT PATH",
    help="Read files of this format instead of raw files; `fsprep list` shows the formats.",
)
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="Format-specific option, NAME=VALUE.")
@click.option("--out", type=click.Path(path_type=Path), help="The store to write [default: in the workspace].")
@workers_option
@click.option("--scheduler", default="", metavar="ADDRESS", help="Use this Dask cluster, for example tcp://host:8786.")
@click.option("--allow-bad", is_flag=True, help="Finish without the bad files; the store lists them.")
@options.as_json
@options.plain_errors
def command(
    name: str,
    subset: str,
    preprocessing: str,
    raw: Path | None,
    imported: tuple[str, str] | None,
    settings: tuple[str, ...],
    out: Path | None,
    workers: int | None,
    scheduler: str,
    allow_bad: bool,
    json_: bool,
) -> None:
    """Build the store of DATASET, or of your own dataset (a .toml FILE, see `fsprep validate`).

    The same command continues a build that was stopped.

    Exit status 3: some raw files are bad. All others are converted, and the store stays unfinished until you fix the
    bad files and run the command again, or allow them with --allow-bad.
    """
    from prep.building.job import Job
    from prep.formats import IMPORTED, format_named
    from prep.preprocessing.pipeline import pipeline

    data, chosen = _dataset(name, raw), split(subset) if subset else None
    prepared = imported is not None and format_named(imported[0]).prepared
    preprocessing = pipeline(preprocessing or (IMPORTED if prepared else data.preprocessing)).name
    home = workspace()
    job = Job(
        dataset=data,
        preprocessing=preprocessing,
        raw=(Path(imported[1]) if imported else raw or _raw(name, home)).absolute(),
        out=(out or home.store(data.name, chosen.name if chosen else "", preprocessing)).absolute(),
        subset=chosen,
        file_format=imported[0] if imported else "",
        options=options.pairs(settings),
        allow_bad=allow_bad,
    )
    exists, remarks = job.out.exists(), list[str]()
    if exists:
        _check_same(job)
    if not exists or job.working.exists():  # a build that was killed may have left its parts
        remarks = run_build(job, workers, scheduler, json_)
        _check_same(job)
    facts = summary(job.out)
    text = ("Already built.\n" if exists else "") + summary_text(facts)
    options.emit(json_, {**asdict(facts), "remarks": remarks}, text)


def _dataset(name: str, raw: Path | None) -> Dataset:
    """A dataset that ships, or the user's own."""
    if not is_custom(name):
        return dataset(name)
    if raw is not None:
        raise click.UsageError(f"{name} says where its clips are: `folder`. Leave out --raw.")
    return read_custom(Path(name)).data


def _raw(name: str, home: Workspace) -> Path:
    return Path(name) if is_custom(name) else home.raw(name)


def _check_same(job: Job) -> None:
    """Raise WorkspaceError unless the existing store is one that this job would build."""
    from prep.store.read import open_store

    info = open_store(job.out).info
    subset = job.subset.name if job.subset else ""
    wanted = (job.dataset.name, subset, job.preprocessing, job.file_format or info.file_format)
    stored = (info.dataset, info.subset, info.preprocessing, info.file_format)
    if stored != wanted or dict(info.options) != dict(job.options):
        content = f"{info.dataset} {info.subset} from {info.file_format}, preprocessing `{info.preprocessing}`"
        raise WorkspaceError(f"{job.out} holds {content}. Choose another --out, or delete it.")
    data = job.dataset
    if (info.classes, info.layout, info.unit, info.fps) != (data.classes, layout_of(data), data.unit, data.fps):
        rule = "its classes, layout, unit or fps have changed since"
        raise WorkspaceError(f"{job.out} holds a store of {data.name}, but {rule}. Choose another --out, or delete it.")
