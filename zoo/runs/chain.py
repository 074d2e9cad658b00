"""Chains of runs: a recipe that is initialised from another one trains that one first, once, and reuses it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from prep.files import disk_errors, locked
from prep.progress import Work
from prep.store.read import Store
from zoo.engine.checkpoint import CheckpointError, load
from zoo.engine.header import Header, Progress
from zoo.engine.imported import is_weights
from zoo.experiment.identity import initial_recipe, is_run, run_name
from zoo.experiment.initial import Initial, imported
from zoo.experiment.library import shipped
from zoo.experiment.prepare import Prepared, check_learner, identity_of, prepare
from zoo.experiment.recipe import Init, Recipe
from zoo.experiment.resolve import initial
from zoo.runs.confusion import Confusion, confusions
from zoo.runs.cost import metered
from zoo.runs.diverged import Replay, replay
from zoo.runs.execute import Runtime, execute, make_trainer
from zoo.runs.measurement import evaluate, warnings
from zoo.runs.result import Result
from zoo.runs.run import Run, RunError


def train_chain(
    recipe: Recipe,
    store: Store,
    device: torch.device,
    runs: Path,
    out: Path | None = None,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
) -> Work[tuple[Run, Result, bool]]:
    """Train a recipe, after the recipes that it is initialised from; return its run, result, and whether it was trained
    now.

    Every run has a folder of its own below `runs`, the last one `out` where that is given. A finished run is not
    trained again, a stopped one continues. All ranks of `runtime` see the same folders; rank 0 writes. Raises RunError
    where a folder belongs to something else.
    """
    source = None
    if recipe.init.source:
        source = yield from _initial(recipe, store, device, runs, runtime)
    identity, ranks = identity_of(recipe, store, source), runtime.ranks
    run = Run(out or runs / run_name(recipe, identity))
    with disk_errors(run.path), locked(run.path) if ranks.first else nullcontext():
        done = ranks.from_first(run.finished(identity) if ranks.first else None)
        with metered(run.path, runtime.gauge if ranks.first and done is None else None):
            result = done or (yield from execute(prepare(recipe, store, device, source), run, runtime))
    return run, result, done is None


def find_run(recipe: Recipe, store: Store, runs: Path) -> Run | None:
    """The run of a recipe below `runs`, begun or not; None while the run that it starts from is not finished."""
    source = None
    if recipe.init.source:
        source = existing_initial(recipe, store, runs)
        if source is None:
            return None
    return Run(runs / run_name(recipe, identity_of(recipe, store, source)))


def existing_initial(recipe: Recipe, store: Store, runs: Path) -> Initial | None:
    """The weights that a recipe starts from; None while they are not trained."""
    first = recipe.init.source
    if is_weights(first):
        return imported(Path(first))
    run = Run(Path(first)) if is_run(first) else find_run(initial(recipe), store, runs)
    result = None if run is None else run.result()
    if run is None or result is None:
        return None
    return Initial(run.weights, result.weights_digest, initial_recipe(recipe))


def measure_run(run: Run, recipe: Recipe, store: Store, device: torch.device) -> Work[Result]:
    """Measure the weights of a run as `recipe` says, which may name other classes, shots or another store.

    The result's `warnings` name classes that the run was trained on and another store or preprocessing. Raises
    CheckpointError where the weights do not fit the store, RunError for a pre-training run.
    """
    prepared, header = trained_method(run, recipe, store, device)
    result = yield from evaluate(prepared, header.progress)
    before, trained = header.identity, run.recipe()
    return replace(
        result,
        recipe_digest=before.recipe_digest if recipe == trained else result.recipe_digest,
        init_digest=before.init_digest,
        warnings=(*warnings(trained, before, prepared), *run.changes(before.recipe_digest)),
    )


def confusions_of_run(
    run: Run, recipe: Recipe, store: Store, device: torch.device, most: int
) -> Work[tuple[Confusion, ...]]:
    """The `most` pairs of classes that the weights of a run confuse most on the test tasks of `recipe`.

    Raises as `measure_run`.
    """
    prepared, _ = trained_method(run, recipe, store, device)
    return (yield from confusions(prepared, store.info.classes, most))


def replay_run(run: Run, store: Store, device: torch.device, runs: Path) -> Work[Replay]:
    """Compute the loss of a run that was not finite again (zoo.runs.diverged). Raises CheckpointError."""
    recipe, source = run.recipe(), None
    if recipe.init.source:
        source = yield from _initial(recipe, store, device, runs)
    prepared = prepare(recipe, store, device, source)
    return (yield from replay(prepared, make_trainer(prepared), run))


def measure_untrained(recipe: Recipe, store: Store, device: torch.device, runs: Path) -> Work[Result]:
    """Measure the network of a recipe as it is before training: random, or with the weights that it starts from.

    Nothing is trained. Where the run that these come from is neither where the recipe says nor below `runs`, the
    network is random and the result's `warnings` say so.
    """
    first, source = recipe.init.source, None
    if first and (first in shipped() or Path(first).exists()):
        source = existing_initial(recipe, store, runs)
    absent = bool(first) and source is None
    prepared = prepare(replace(recipe, init=Init()) if absent else recipe, store, device, source, training=False)
    result = yield from evaluate(prepared, Progress())
    mark = f"the weights of `{first}`, which the run starts from, are not there: the network is random"
    return replace(result, warnings=(*result.warnings, mark)) if absent else result


def trained_method(run: Run, recipe: Recipe, store: Store, device: torch.device) -> tuple[Prepared, Header]:
    """A recipe prepared for measuring, with the weights of a run, and the header of these.

    Raises CheckpointError where the weights do not fit the store, RunError for a pre-training run.
    """
    # The run has weights of its own: where they came from need not exist any more.
    prepared = prepare(replace(recipe, init=Init()), store, device, training=False)
    if not prepared.test:
        remedy = f"Train a method with init.source={run.path}"
        raise RunError(f"{run.path}: a pre-training run has no test accuracy. {remedy}.")
    before, now = run.identity(), prepared.identity
    if (before.layout, before.bodies) != (now.layout, now.bodies):
        raise CheckpointError(
            f"{run.weights}: trained on layout {before.layout} with {before.bodies} bodies; this store has "
            f"{now.layout} with {now.bodies}. Choose a store that fits with --store."
        )
    return prepared, load(run.weights, prepared.learner)


def _initial(
    recipe: Recipe,
    store: Store,
    device: torch.device,
    runs: Path,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
) -> Work[Initial]:
    """The weights that a recipe starts from: imported, or those of a run, trained now where the source is a recipe."""
    path = Path(recipe.init.source)
    if is_weights(recipe.init.source):
        return imported(path)
    if is_run(recipe.init.source):
        run, result = Run(path), Run(path).result()
        if result is None:
            raise RunError(f"{path}: not finished, so nothing can start from it. Run `fszoo train` for it again.")
    else:
        check_learner(recipe, store)
        run, result, _ = yield from train_chain(initial(recipe), store, device, runs, runtime=runtime)
    return Initial(run.weights, result.weights_digest, initial_recipe(recipe))
