"""fszoo bench."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import options
from cli.workspace import WorkspaceError, workspace
from cli.zoo._sweeping import Sweep, plan, report, train_all

if TYPE_CHECKING:
    from zoo.sweep.bench import Entry, Pair
    from zoo.sweep.bench_table import Bench
    from zoo.sweep.jobs import Outcome


@click.command("bench")
@click.argument("name", metavar="TABLE", default="")
@click.option("--quick", is_flag=True, help="Small budgets, one seed, two class splits; every output says so.")
@click.option("--only", multiple=True, metavar="KEY=VALUE", help="Rows with this method, backbone, split, way or shot.")
@options.settings
@options.device
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time, on a CPU.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the tables [default: in the workspace].")
@options.as_json
@options.plain_errors
def command(
    name: str,
    quick: bool,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
    jobs: int,
    out: Path | None,
    json_: bool,
) -> None:
    """Run a paper's TABLE and write ours beside theirs, as Markdown, CSV and JSON.

    Every row of a method and backbone of this project is run on the stores in the workspace: three seeds, or all class
    splits of its split. Other rows are listed with the reason. The same command continues; finished runs are kept.
    Without TABLE, the published tables are listed.
    """
    if not name:
        _list_tables(json_)
        return
    from zoo.sweep.bench import entries, left_out_of_quick, notes, select
    from zoo.sweep.bench_table import Bench, as_text, to_json

    title, rows = select(name, options.pairs(only))
    found, sweep = _planned(entries(rows, settings, quick))
    outcomes = train_all(sweep, device, jobs, json_) if sweep.jobs else {}
    shown = report(sweep, outcomes)
    small = tuple(left_out_of_quick(found)) if quick else ()
    done = tuple(_pair(entry, outcomes) for entry in found)
    source = "; ".join(dict.fromkeys(row.source for row in rows))
    bench = Bench(title, source, done, settings, small, tuple(notes([e.published for e in found if e.cells])))
    files = _write(bench, out or workspace().home / "tables", quick)
    text = "\n".join([as_text(bench), shown.states, *map(str, files)])
    open_runs = {key: shown.record[key] for key in ("unfinished", "failed")}
    options.emit(json_, {**to_json(bench), **open_runs, "files": files}, text)
    if shown.failed:
        sys.exit(options.BAD_FILES)


def _list_tables(json_: bool) -> None:
    """The published tables, with the number of their rows and of those that this project has recipes for."""
    from zoo.sweep.bench import reason_left_out, tables

    counts = {
        title: {"rows": len(rows), "runnable": sum(not reason_left_out(row) for row in rows)}
        for title, rows in tables().items()
    }
    lines = [f"{title:32} {n['runnable']:3} of {n['rows']:3} rows can be run" for title, n in counts.items()]
    options.emit(json_, counts, "\n".join(lines))


def _planned(entries: Sequence[Entry]) -> tuple[list[Entry], Sweep]:
    """The entries, without those that have no store or whose store does not fit, and the sweep of all their cells."""
    from dataclasses import replace

    from episodes.options import EpisodeError
    from prep.errors import PrepError
    from zoo.experiment.feed import SetupError

    found, cells, keys, jobs = [], list[Any](), list[str](), dict[str, Any]()
    opened: dict[tuple[object, ...], Any] = {}
    for entry in entries:
        try:
            part = plan(entry.cells, None, opened)
        except (WorkspaceError, PrepError, EpisodeError, SetupError) as error:
            found.append(replace(entry, cells=(), left_out=str(error)))
            continue
        found.append(entry)
        cells += part.cells
        keys += part.keys
        jobs |= part.jobs
    return found, Sweep(tuple(cells), tuple(keys), jobs)


def _pair(entry: Entry, outcomes: Mapping[str, Outcome]) -> Pair:
    from zoo.experiment.identity import recipe_digest
    from zoo.sweep.bench import Pair
    from zoo.sweep.compare import compare

    done = [(cell.recipe, outcomes.get(recipe_digest(cell.recipe))) for cell in entry.cells]
    results = [(recipe, outcome.result) for recipe, outcome in done if outcome is not None]
    rows = compare((recipe, result) for recipe, result in results if result is not None)
    return Pair(entry.published, rows[0] if rows else None, len(entry.cells), entry.left_out)


def _write(bench: Bench, folder: Path, quick: bool) -> list[Path]:
    """The table as three files, named after it."""
    from prep.files import atomic_write, disk_errors
    from zoo.sweep.bench_table import to_csv, to_json, to_markdown

    name = re.sub(r"\W+", "_", bench.name.casefold()).strip("_") + ("_quick" if quick else "")
    contents = {
        "md": to_markdown(bench),
        "csv": to_csv(bench),
        "json": json.dumps(to_json(bench), indent=1, default=str) + "\n",
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{name}.{kind}" for kind in contents]
        for file, content in zip(files, contents.values(), strict=True):
            atomic_write(file, content)
    return files
