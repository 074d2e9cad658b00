"""What `fszoo sweep` and `fszoo bench` share: from cells to jobs, their training, and a report of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.bars import meter
from cli.workspace import workspace
from cli.zoo._common import store_of

if TYPE_CHECKING:
    import torch

    from prep.store.read import Store
    from zoo.experiment.recipe import Recipe
    from zoo.sweep.compare import Row
    from zoo.sweep.grid import Cell
    from zoo.sweep.jobs import Job, Outcome


@dataclass(frozen=True)
class Sweep:
    """The cells of a sweep, the key of each one's job, and all jobs by their keys, shared sources first."""

    cells: tuple[Cell, ...]
    keys: tuple[str, ...]
    jobs: Mapping[str, Job]


@dataclass(frozen=True)
class Report:
    """The rows of the finished runs, and all runs in words and as a JSON value; `states` is the end of `text`."""

    rows: list[Row]
    text: str
    states: str
    record: dict[str, Any]
    failed: bool


def plan(cells: Sequence[Cell], store: str | None, opened: dict[tuple[object, ...], Store] | None = None) -> Sweep:
    """The jobs of cells, each on the store that is named or that the workspace has; `opened` keeps open stores.

    Raises WorkspaceError, StoreError, SetupError or EpisodeError for stores that are absent, do not fit or lack an
    embedding.
    """
    from zoo.experiment.identity import recipe_digest
    from zoo.sweep.jobs import check_embeddings, check_tasks, jobs

    opened, stores = {} if opened is None else opened, []
    for cell in cells:
        data = cell.recipe.data
        key = (data.split, data.preprocessing, data.clip_seed, data.clips_per_class)
        if key not in opened:
            opened[key] = store_of(cell.recipe, store)
        stores.append(opened[key])
    check_tasks(cells, stores)
    check_embeddings(cells, stores)
    return Sweep(tuple(cells), tuple(recipe_digest(cell.recipe) for cell in cells), jobs(cells, stores))


def train_all(sweep: Sweep, device: str, at_once: int, quiet: bool) -> dict[str, Outcome]:
    """Train what is not finished, `at_once` jobs at a time (0: none). Raises a usage error for several on a GPU, and
    under torchrun."""
    from cli.interrupt import deferred_interrupt
    from cli.ranks import ranks_and_device
    from cli.stopwatch import gauge
    from zoo.sweep.jobs import finished
    from zoo.sweep.jobs import sweep as one_by_one

    runs = workspace().runs
    if not at_once:
        return finished(sweep.jobs, runs)
    with ranks_and_device(device) as (ranks, chosen):
        if ranks.size > 1:
            raise click.UsageError("a sweep trains each run in one process. Start it without torchrun, or use --array.")
        if at_once > 1:
            return _in_workers(sweep, chosen, at_once, quiet)
        with deferred_interrupt() as interrupted, meter(quiet) as bars:
            return bars.run(one_by_one(sweep.jobs, chosen, runs, gauge(chosen)), interrupted=interrupted)


def _in_workers(sweep: Sweep, device: torch.device, at_once: int, quiet: bool) -> dict[str, Outcome]:
    from cli.interrupt import deferred_interrupt
    from cli.workers import train_in_worker, training_workers
    from zoo.sweep.jobs import sweep_in_workers

    if device.type != "cpu":
        rule = "runs on one GPU take turns"
        raise click.UsageError(f"--jobs {at_once}: {rule}. Use --jobs 1, or --array for several machines.")
    with deferred_interrupt() as interrupted, meter(quiet) as bars, training_workers(at_once) as executor:
        work = sweep_in_workers(sweep.jobs, device, workspace().runs, executor, at_once, train_in_worker)
        return bars.run(work, interrupted=interrupted)


def report(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> Report:
    """The table of the finished runs, and the others by their settings, with their step or error."""
    from zoo.sweep.compare import compare
    from zoo.sweep.table import text

    done = [outcomes[key] for key in dict.fromkeys(sweep.keys) if key in outcomes]
    pairs = [
        (sweep.jobs[key].recipe, outcomes[key].result)
        for key in dict.fromkeys(sweep.keys)
        if key in outcomes and outcomes[key].result is not None
    ]
    rows = compare((recipe, result) for recipe, result in pairs if result is not None and result.accuracy is not None)
    left = _left(sweep, outcomes)
    failed = [entry for entry in left if entry["state"] == "failed"]
    numbers = f"{len(sweep.jobs)} runs: {len(sweep.jobs) - len(left)} finished"
    numbers += "".join(f", {len(part)} {state}" for state, part in _by_state(left).items())
    lines = [f"  {entry['state']}: {entry['settings']}: {entry['note']}" for entry in left]
    results = [outcome.result for outcome in outcomes.values() if outcome.result is not None]
    warnings = dict.fromkeys(line for result in results for line in result.warnings)
    lines += [f"Warning: {warning}." for warning in warnings]
    record = {
        "rows": [row.record() for row in rows],
        "runs": [str(outcome.run) for outcome in done if outcome.result is not None],
        "unfinished": [entry for entry in left if entry["state"] == "unfinished"],
        "failed": failed,
    }
    states = "\n".join([numbers, *lines])
    return Report(rows, "\n".join([*([text(rows)] if rows else []), states]), states, record, bool(failed))


def keep_report(sweep: Sweep, key: str, recipe: str, shown: Report) -> None:
    """Keep the report of a finished sweep for the next time (zoo.sweep.kept)."""
    from prep.files import disk_errors
    from zoo.sweep.kept import keep

    stores = {job.store.path for job in sweep.jobs.values()}
    finished = len(shown.record["runs"]) == len(set(sweep.keys))
    if not finished or any("://" in store for store in stores):
        return
    files = {Path(run) / "result.json" for run in shown.record["runs"]}
    files |= {Path(store) / "manifest.json" for store in stores}
    files |= {Path(figure) for figure in shown.record.get("figures", {}).values()}
    named = [recipe, *(name for job in sweep.jobs.values() for name in _names(job.recipe))]
    files |= {file for name in dict.fromkeys(named) for file in _own_files(Path(name))}
    with disk_errors(workspace().runs):
        keep(workspace().runs, key, files, {"record": shown.record, "text": shown.text})


def _names(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe names that may be the user's own file or run."""
    return (recipe.data.split, recipe.method.name, recipe.backbone.name, recipe.init.source or recipe.method.name)


def _own_files(path: Path) -> list[Path]:
    """The files that decide what a path of the user means: a TOML file may have a base beside it."""
    if path.is_dir():
        return [path / "recipe.toml", path / "result.json"]
    return [path, *path.parent.glob("*.toml")] if path.is_file() else []


def _left(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """The jobs without a result: their settings, run, state and why or how far."""
    from zoo.runs.chain import find_run
    from zoo.runs.status import status

    settings = {key: " ".join(cell.settings) for key, cell in zip(sweep.keys, sweep.cells, strict=True)}
    left = []
    for key, job in sweep.jobs.items():
        outcome = outcomes.get(key)
        if outcome is not None and outcome.result is not None:
            continue
        run = find_run(job.recipe, job.store, workspace().runs)
        now = status(run.path if run is not None else Path())
        error = outcome.error if outcome is not None else now.error
        left.append(
            {
                "settings": settings.get(key, f"{job.recipe.name}, from which others start"),
                "run": None if run is None else str(run.path),
                "state": "failed" if error else "unfinished",
                "done": now.done,
                "total": now.total,
                "note": error or now.how_far,
            }
        )
    return left


def _by_state(left: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    states: dict[str, list[Mapping[str, Any]]] = {}
    for entry in left:
        states.setdefault(entry["state"], []).append(entry)
    return states
