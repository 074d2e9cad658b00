"""fszoo bench."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import options
from cli.workspace import WorkspaceError, workspace
from cli.zoo._common import store_of
from cli.zoo._sweeping import Sweep, plan, report, train_all

if TYPE_CHECKING:
    from manifests.tables import Published
    from zoo.sweep.bench import Entry, Pair
    from zoo.sweep.bench_table import Bench
    from zoo.sweep.jobs import Outcome
    from zoo.sweep.setup import Setup


@click.command("bench")
@click.argument("name", metavar="TABLE", default="")
@click.option("--data", default="", metavar="SPLIT", help="Run the rows on another split than the paper's.")
@click.option("--quick", is_flag=True, help="Small budgets, one seed, two class splits; every output says so.")
@click.option("--class-splits", type=click.IntRange(1), help="Class splits to run [default: all; quick: 2].")
@click.option("--seeds", type=click.IntRange(1), help="Seeds to run [default: 3; quick: 1].")
@click.option("--only", multiple=True, metavar="KEY=VALUE", help="Rows with this method, variant, recipe, shot, ...")
@options.settings
@options.device
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time, on a CPU.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the tables [default: in the workspace].")
@options.as_json
@options.plain_errors
def command(
    name: str,
    data: str,
    quick: bool,
    class_splits: int | None,
    seeds: int | None,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    device: str,
    jobs: int,
    out: Path | None,
    json_: bool,
) -> None:
    """Run a paper's TABLE and write ours beside theirs, as Markdown, CSV and JSON.

    Every row with a recipe and backbone of this project is run on the stores in the workspace: three seeds, or all
    class splits of its split. Other rows are listed with the reason. With --data, rows that differ only in the paper's
    data become one. The same command continues; finished runs are kept. Without TABLE, the published tables are listed.
    """
    if not name:
        _list_tables(json_)
        return
    from zoo.sweep.bench import entries, select
    from zoo.sweep.bench_table import as_text, to_json
    from zoo.sweep.setup import Setup

    title, rows = select(name, options.pairs(only))
    setup = _fitted(Setup(settings, quick, data, class_splits or 0, seeds or 0), rows)
    found, sweep = _planned(entries(rows, setup))
    outcomes = train_all(sweep, device, jobs, json_) if sweep.jobs else {}
    shown = report(sweep, outcomes)
    bench = _bench(title, rows, found, setup, outcomes)
    files = _write(bench, out or workspace().home / "tables")
    text = "\n".join([as_text(bench), shown.states, *map(str, files)])
    open_runs = {key: shown.record[key] for key in ("unfinished", "failed")}
    options.emit(json_, {**to_json(bench), **open_runs, "files": files}, text)
    if shown.failed:
        sys.exit(options.BAD_FILES)


def _fitted(setup: Setup, rows: Sequence[Published]) -> Setup:
    """The setup with the skeleton and classes of the store, on a custom split, whose settings are fitted to them."""
    from dataclasses import replace

    from manifests.facts import is_custom
    from zoo.experiment.resolve import resolve
    from zoo.sweep.bench import reason_left_out

    runnable = next((row for row in rows if not reason_left_out(row, setup)), None)
    if not is_custom(setup.data) or runnable is None:
        return setup
    info = store_of(resolve(runnable.recipe, setup.data, setup.settings), None).info
    return replace(setup, layout=info.layout, names=info.classes)


def _bench(
    title: str, rows: Sequence[Published], found: Sequence[Entry], setup: Setup, outcomes: Mapping[str, Outcome]
) -> Bench:
    from manifests.split_file import split
    from zoo.sweep.bench import choices, notes, reductions
    from zoo.sweep.bench_table import Bench

    run = [entry.published for entry in found if entry.cells]
    return Bench(
        title,
        "; ".join(dict.fromkeys(row.source for row in rows)),
        tuple(_pair(entry, outcomes) for entry in found),
        tuple(setup.settings),
        setup.quick,
        tuple(reductions(found, setup)),
        () if setup.data else tuple(notes(run)),
        tuple(choices(rows)),
        split(setup.data).name if setup.data else "",
    )


def _list_tables(json_: bool) -> None:
    """The published tables, with the number of their rows, of those that can be run, and why others cannot."""
    from zoo.sweep.bench import reason_left_out, tables

    reasons = {title: [reason_left_out(row) for row in rows] for title, rows in tables().items()}
    counts = {
        title: {"rows": len(found), "runnable": found.count(""), "left_out": Counter(filter(None, found))}
        for title, found in reasons.items()
    }
    lines = []
    for title, found in reasons.items():
        lines.append(f"{title:32} {found.count(''):3} of {len(found):3} rows can be run")
        lines += [f"{'':33}{number:3} left out: {reason}" for reason, number in Counter(filter(None, found)).items()]
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
    return Pair(entry.published, rows[0] if rows else None, len(entry.cells), entry.left_out, entry.split, entry.also)


def _write(bench: Bench, folder: Path) -> list[Path]:
    """The table as three files, named after it."""
    from prep.files import atomic_write, disk_errors
    from zoo.sweep.bench_table import to_csv, to_json, to_markdown

    words = [bench.name.casefold(), *([bench.data] if bench.data else []), *(["quick"] if bench.quick else [])]
    name = re.sub(r"\W+", "_", " ".join(words)).strip("_")
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
