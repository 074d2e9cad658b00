"""fszoo sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.device import check_name
from cli.workspace import workspace
from cli.zoo._common import store_of
from cli.zoo._figures import draw_figures, with_figures
from cli.zoo._sweeping import Report, Sweep, keep_report, plan, report, train_all

if TYPE_CHECKING:
    from zoo.sweep.grid import Cell

AXIS = "An axis: a range seed=0..2, a list task.shot=1,5, or data.class_split=all; may be repeated."


@click.command("sweep")
@click.argument("recipe", metavar="RECIPE|FILE.toml|FILE.py")
@click.option("--data", default="", metavar="SPLIT", help="Another split than the recipe's own, for example demo.")
@options.settings
@click.option("--over", "overs", multiple=True, required=True, metavar="KEY=VALUES", help=AXIS)
@options.store_path
@options.device
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time, on a CPU.")
@click.option("--array", is_flag=True, help="Print a Slurm job array with one run per task; train nothing.")
@click.option("--table", "table_only", is_flag=True, help="Print the table of the runs so far; train nothing.")
@options.as_json
@options.plain_errors
def command(
    recipe: str,
    data: str,
    settings: tuple[str, ...],
    overs: tuple[str, ...],
    store: str | None,
    device: str,
    jobs: int,
    array: bool,
    table_only: bool,
    json_: bool,
) -> None:
    """Train RECIPE once for every combination of the values of the --over axes, and print one table.

    Every combination is a run of its own in the workspace. Runs that are equal in everything but seed and class split
    are averaged. A finished sweep has a figure of the accuracy over each axis of numbers; its path is printed. The same
    command continues a sweep that was stopped; finished runs are never repeated. A run that fails is listed with its
    error (exit status 3), and the others go on. A .py file holds a method of your own; its code is executed.
    """
    from zoo.sweep.kept import kept, report_key

    words = {
        "recipe": recipe,
        "data": data,
        "settings": settings,
        "overs": overs,
        "store": store,
        "folder": str(Path().absolute()),
    }
    key = report_key(words, workspace().stores)
    before = None if array else kept(workspace().runs, key)
    if before is not None:
        options.emit(json_, before["record"], before["text"])
        return
    sweep = plan(_fitted_cells(recipe, data, settings, overs, store), store)
    if array:
        check_name(device)
        where = [*(["--store", _absolute(store)] if store else []), "--device", device]
        again = ["fszoo", "sweep", *_words(recipe, data, settings, overs), *where, "--table"]
        click.echo(_script(sweep, recipe, data, where, again))
        return
    shown = report(sweep, train_all(sweep, device, 0 if table_only else jobs, json_))
    _emit(sweep, key, recipe, with_figures(sweep, key, overs, shown), json_)


def _emit(sweep: Sweep, key: str, recipe: str, shown: Report, json_: bool) -> None:
    """Print the report, then draw its figures and keep it; exit status 3 if a run failed."""
    options.emit(json_, shown.record, shown.text)
    draw_figures(shown)
    keep_report(sweep, key, recipe, shown)
    if shown.failed:
        sys.exit(options.BAD_FILES)


def _fitted_cells(
    recipe: str, data: str, settings: tuple[str, ...], overs: tuple[str, ...], store: str | None
) -> tuple[Cell, ...]:
    """The cells; over a custom split their settings are fitted to the skeleton of its store."""
    from manifests.facts import is_custom
    from zoo.sweep.grid import cells

    wanted = cells(recipe, data, settings, overs)
    if not is_custom(wanted[0].recipe.data.split):
        return wanted
    info = store_of(wanted[0].recipe, store).info
    return cells(recipe, data, settings, overs, info.layout, info.classes)


def _script(sweep: Sweep, recipe: str, data: str, where: Sequence[str], again: Sequence[str]) -> str:
    """The job array of the sweep: shared sources first, then the cells, all on the store and device of `where`."""
    from zoo.sweep.slurm import array_script, train_words

    sources = {job.needs: job.recipe.init.source for job in sweep.jobs.values() if job.needs}
    first = [
        [*train_words(job.recipe, sources[key], job.recipe.data.split), *where]
        for key, job in sweep.jobs.items()
        if key not in sweep.keys
    ]
    then = [[*train_words(cell.recipe, _absolute(recipe), _absolute(data)), *where] for cell in sweep.cells]
    return array_script(first, then, again, {"FSPREP_HOME": str(workspace().home.absolute())})


def _words(recipe: str, data: str, settings: Sequence[str], overs: Sequence[str]) -> list[str]:
    words = [_absolute(recipe), *(["--data", _absolute(data)] if data else [])]
    words += [word for setting in settings for word in ("--set", setting)]
    return words + [word for over in overs for word in ("--over", over)]


def _absolute(word: str) -> str:
    """The path of a file or folder made absolute, since a task may run in another folder; any other word as it is."""
    from zoo.experiment.library import shipped

    return str(Path(word).absolute()) if word and word not in shipped() and Path(word).exists() else word
