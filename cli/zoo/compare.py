"""fszoo compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options

if TYPE_CHECKING:
    from zoo.experiment.recipe import Recipe
    from zoo.runs.result import Result


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.as_json
@options.plain_errors
def command(runs: tuple[Path, ...], json_: bool) -> None:
    """Print a table of finished RUNS beside the best untrained method and the papers' numbers.

    Runs that are equal in everything but seed and class split are averaged. Where rows that look alike differ in other
    settings, these are below the row. Runs that are not finished and pre-training runs are left out and listed.
    """
    from zoo.sweep.compare import compare as rows_of
    from zoo.sweep.table import text

    pairs, left = _read(runs)
    rows = rows_of(pairs)
    lines = [f"left out: {run}: {why}" for run, why in left.items()]
    record = {"rows": [row.record() for row in rows], "left_out": left}
    options.emit(json_, record, "\n".join([*([text(rows)] if rows else ["no finished run"]), *lines]))


def _read(runs: tuple[Path, ...]) -> tuple[list[tuple[Recipe, Result]], dict[str, str]]:
    """The finished runs with an accuracy, and why each of the others is left out."""
    from zoo.runs.run import Run
    from zoo.runs.status import status

    pairs, left = [], {}
    for path in runs:
        run = Run(path)
        recipe, result = run.recipe(), run.result()
        if result is None:
            left[str(path)] = f"{status(path)}; the same `fszoo train` continues it"
        elif result.accuracy is None:
            left[str(path)] = "a pre-training run has no test accuracy to compare"
        else:
            pairs.append((recipe, result))
    return pairs, left
