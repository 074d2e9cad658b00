"""fszoo compare."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options

if TYPE_CHECKING:
    from zoo.experiment.compare import Row

HEAD = f"{'split':20} {'recipe':18} {'backbone':8} {'task':10} {'runs':>4} {'ours':>15}  {'paper':24} {'gap':>6}"


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.as_json
@options.plain_errors
def command(runs: tuple[Path, ...], json_: bool) -> None:
    """Print a table of finished RUNS beside the papers' numbers.

    Runs that are equal in everything but seed and class split are averaged. Where rows of one recipe differ in other
    settings, these stand below the row.
    """
    from zoo.experiment.compare import compare as rows_of
    from zoo.experiment.run import Run, RunError

    pairs = []
    for path in runs:
        run = Run(path)
        recipe, result = run.recipe(), run.result()
        if result is None:
            raise RunError(
                f"{path}: no result.json, so the run is not finished. Run `fszoo train` again; it continues."
            )
        if result.accuracy is None:
            raise RunError(f"{path}: a pre-training run has no test accuracy to compare.")
        pairs.append((recipe, result))
    rows = rows_of(pairs)
    options.emit(json_, [{**asdict(row), "gap": row.gap} for row in rows], "\n".join([HEAD, *map(_line, rows)]))


def _line(row: Row) -> str:
    paper = row.papers[0] if row.papers else None
    beside = f"{paper.accuracy:.1f} ({paper.backbone}, {paper.table})" if paper else "-"
    gap = f"{row.gap:+.1f}" if row.gap is not None else ""
    ours, task = f"{row.accuracy:.1f} ± {row.interval:.1f}", f"{row.way}w{row.shot}s"
    line = (
        f"{row.split:20} {row.recipe:18} {row.backbone:8} {task:10} {row.runs:>4} {ours:>15}  {beside:24} {gap:>6}"
    ).rstrip()
    differs = " ".join(f"{key}={value}" for key, value in row.differs.items())
    return f"{line}\n    {differs}" if differs else line
