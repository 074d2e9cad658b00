"""A build with progress bars, for `fsprep build` and `fsprep rebuild`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import Meter, meter
from cli.workers import building_workers
from manifests.text import plain

if TYPE_CHECKING:
    from prep.building.job import Job

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Worker processes [default: one per core]. With 1, a file that crashes its reader ends the build.",
)


def run_build(job: Job, workers: int | None, scheduler: str, json_: bool) -> list[str]:
    """Build a store and return the remarks on its raw files. Bad files end the program with exit status 3."""
    from prep.building.build import BadFiles, build

    with meter(json_) as bars:
        try:
            with building_workers(workers or os.cpu_count() or 1, scheduler) as chosen:
                bars.run(build(job, chosen))
        except BadFiles as error:
            if json_:
                bad = [{"name": name, "reason": reason} for name, reason in error.bad]
                options.emit(json_, {"bad": bad, "report": str(error.report), "remarks": _texts(bars)}, "")
            for line in f"Error: {error}".splitlines():
                click.echo(plain(line), err=True)
            raise SystemExit(options.BAD_FILES) from error
    return _texts(bars)


def _texts(bars: Meter) -> list[str]:
    return [line.removeprefix("Note: ") for line in bars.remarks]
