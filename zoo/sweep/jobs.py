"""Sweeps: every cell of a grid is trained into a run of its own, what several cells start from first and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from episodes.draw import TooFewClasses, TooFewClips
from manifests.split_file import split
from prep.errors import PrepError
from prep.progress import Step, Work
from prep.store.read import Store, open_store
from zoo.experiment.embedded import stored_embedding
from zoo.experiment.feed import check_store
from zoo.experiment.identity import is_ready, recipe_digest
from zoo.experiment.prepare import identity_of
from zoo.experiment.recipe import Recipe, classes, is_stage
from zoo.experiment.resolve import initial
from zoo.runs.chain import existing_initial, find_run, train_chain
from zoo.runs.cost import Gauge
from zoo.runs.execute import Runtime
from zoo.runs.result import Result
from zoo.runs.status import clear_failed, mark_failed, status
from zoo.sweep.grid import Cell

if TYPE_CHECKING:
    import torch

# How often the progress of worker processes is read from their runs.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """A recipe to train on a store: a cell's, or one that cells start from. `needs` is the key of the job before it."""

    recipe: Recipe
    store: Store
    needs: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its run and result, or why it has none. `fresh`: it was trained now."""

    run: Path | None
    result: Result | None = None
    error: str = ""
    fresh: bool = False


def jobs(cells: Sequence[Cell], stores: Sequence[Store]) -> dict[str, Job]:
    """Every different recipe of the cells by its digest, after the recipe that it starts from; `stores` one per cell.

    Recipes that others start from come first, so that those who need them do not wait for each other.
    """
    found: dict[str, tuple[int, Job]] = {}

    def enter(recipe: Recipe, store: Store) -> tuple[str, int]:
        source = recipe.init.source
        needs, depth = enter(initial(recipe), store) if source and not is_ready(source) else ("", -1)
        key = recipe_digest(recipe)
        found.setdefault(key, (depth + 1, Job(recipe, store, needs)))
        return key, depth + 1

    needed = {enter(cell.recipe, store)[0]: None for cell, store in zip(cells, stores, strict=True)}
    sources = sorted((depth, place, key) for place, (key, (depth, _)) in enumerate(found.items()) if key not in needed)
    return {key: found[key][1] for key in [*(key for *_, key in sources), *needed]}


def check_tasks(cells: Sequence[Cell], stores: Sequence[Store]) -> None:
    """Check that its store serves the tasks of every cell. Raises TooFewClasses and TooFewClips, naming the cell, and
    SetupError for a store of another dataset or preprocessing."""
    counts = {id(store): Counter(store.label.tolist()) for store in stores}
    for cell, store in zip(cells, stores, strict=True):
        check_store(cell.recipe, store)
        _check_task(cell, counts[id(store)])


def check_embeddings(cells: Sequence[Cell], stores: Sequence[Store]) -> None:
    """Check that its store has the embeddings that a cell, or what it starts from, names. Raises StoreError with the
    command that makes them."""
    seen = set[tuple[object, ...]]()
    for cell, store in zip(cells, stores, strict=True):
        recipe: Recipe | None = cell.recipe
        while recipe is not None:
            key = (id(store), recipe.name, recipe.data.embedding, recipe.init)
            if key in seen:
                break
            seen.add(key)
            if recipe.data.embedding:
                stored_embedding(recipe, store)
            recipe = initial(recipe) if recipe.init.source and not is_ready(recipe.init.source) else None


def finished(todo: Mapping[str, Job], runs: Path) -> dict[str, Outcome]:
    """The jobs that are done. Raises RunError for a result that is damaged or another recipe's."""
    done = {}
    for key, job in todo.items():
        source = existing_initial(job.recipe, job.store, runs) if job.recipe.init.source else None
        run = find_run(job.recipe, job.store, runs)
        if run is not None and run.result() is not None:
            done[key] = Outcome(run.path, run.finished(identity_of(job.recipe, job.store, source)))
    return done


def sweep(
    todo: Mapping[str, Job],
    device: torch.device,
    runs: Path,
    gauge: Gauge | None = None,
) -> Work[dict[str, Outcome]]:
    """Train every job in this process, one after another; return the outcome of each by its key.

    A job that fails is listed with its error, those that start from it as well, and the others go on.
    """
    done = finished(todo, runs)
    yield _step(done, todo)
    for key, job in todo.items():
        if key in done:
            continue
        blocked = _blocked(job, done)
        done[key] = blocked or (yield from _trained(job, device, runs, len(done), len(todo), gauge))
        yield _step(done, todo)
    return done


def sweep_in_workers(
    todo: Mapping[str, Job],
    device: torch.device,
    runs: Path,
    executor: Executor,
    at_once: int,
    train: Callable[[Recipe, str, str, Path], Outcome] | None = None,
) -> Work[dict[str, Outcome]]:
    """As `sweep`, with `at_once` jobs at a time in an executor, whose processes run `train` (default: `train_job`)."""
    done, running = finished(todo, runs), dict[Future[Outcome], str]()
    yield _step(done, todo)
    while len(done) < len(todo):
        for key, job in todo.items():
            if key in done or key in running.values():
                continue
            if blocked := _blocked(job, done):
                done[key] = blocked
            elif len(running) < at_once and (not job.needs or job.needs in done):
                running[executor.submit(train or train_job, job.recipe, job.store.path, str(device), runs)] = key
        ended, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            done[running.pop(future)] = _ended(future)
        yield _step(done, todo, "; ".join(_note(todo[key], runs) for key in running.values()))
    return done


def train_job(
    recipe: Recipe,
    store: str,
    device: str,
    runs: Path,
    stopped: Callable[[], bool] = lambda: False,
    gauge: Gauge | None = None,
) -> Outcome:
    """Train one recipe in a worker process; an error becomes an outcome.

    Once `stopped` is true the run saves a checkpoint at its next step and ends.
    """
    import torch

    work = _trained(Job(recipe, open_store(store)), torch.device(device), runs, 0, 1, gauge)
    while True:
        try:
            next(work) if not stopped() else work.throw(KeyboardInterrupt())
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        except KeyboardInterrupt:
            return Outcome(None, error="stopped; the same command continues it")


def _trained(job: Job, device: torch.device, runs: Path, done: int, total: int, gauge: Gauge | None) -> Work[Outcome]:
    work = train_chain(job.recipe, job.store, device, runs, runtime=Runtime(gauge=gauge))
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as stop:
                run, result, fresh = stop.value
                clear_failed(run.path)
                return Outcome(run.path, result, fresh=fresh)
            try:
                yield Step(done, total, "runs", f"{step.stage} {step.done:,} of {step.total:,}  {step.note}".strip())
            except KeyboardInterrupt as interrupt:
                # The run saves a checkpoint and raises it again.
                work.throw(interrupt)
    # Any error: a method may be the user's own, and one bad cell must not end a night of others.
    except Exception as error:
        return _failed(job, runs, error)


def _failed(job: Job, runs: Path, error: Exception) -> Outcome:
    text = f"{type(error).__name__}: {error}"
    run = find_run(job.recipe, job.store, runs)
    # A PrepError is about the folder (its lock, its disk) and not about the training.
    if run is not None and not isinstance(error, PrepError):
        mark_failed(run.path, text)
    return Outcome(None if run is None else run.path, error=text)


def _ended(future: Future[Outcome]) -> Outcome:
    error = future.exception()
    return future.result() if error is None else Outcome(None, error=f"{type(error).__name__}: {error}")


def _blocked(job: Job, done: Mapping[str, Outcome]) -> Outcome | None:
    """The outcome of a job whose source failed."""
    first = done.get(job.needs)
    if first is None or first.result is not None:
        return None
    return Outcome(None, error=f"what it starts from failed: {first.error}")


def _step(done: Mapping[str, Outcome], todo: Mapping[str, Job], note: str = "") -> Step:
    return Step(len(done), len(todo), "runs", note)


def _note(job: Job, runs: Path) -> str:
    run = find_run(job.recipe, job.store, runs)
    return job.recipe.name if run is None else f"{run.path.name} {status(run.path).how_far}"


def _check_task(cell: Cell, counts: Mapping[int, int]) -> None:
    recipe, chosen = cell.recipe, split(cell.recipe.data.split)
    if is_stage(recipe):
        return
    task, samples = recipe.task, recipe.data.clips_per_class or chosen.samples_per_class
    episodic = chosen.protocol == "episodic"
    base, validation, test = classes(recipe)
    parts = [("test", test, episodic)]
    if recipe.budget.episodes:
        parts = [("base", base, True), *parts]
        parts += [("validation", validation, True)] if recipe.budget.validation_episodes else []
    for name, labels, drawn in parts:
        if drawn and labels and len(labels) < task.way:
            raise TooFewClasses(
                f"{_named(cell)}task.way is {task.way}; {chosen.name} has {len(labels)} {name} classes. Lower task.way."
            )
        need = task.shot + (task.queries_per_class if drawn else 1)
        for label in labels:
            clips = min(counts.get(label, 0), samples or counts.get(label, 0))
            if clips < need:
                rule = f"an episode takes {need} of each class ({task.shot} support, {need - task.shot} query)"
                raise TooFewClips(
                    f"{_named(cell)}the {name} class {label} of {chosen.name} has {clips} clips; {rule}. "
                    "Lower task.shot or task.queries_per_class."
                )


def _named(cell: Cell) -> str:
    return f"--over {' '.join(cell.settings)}: " if cell.values else ""
