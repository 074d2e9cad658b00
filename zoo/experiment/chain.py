"""Chains of runs: a recipe that is initialised from another one trains that one first, once, and reuses it."""

from __future__ import annotations

from pathlib import Path

import torch

from prep.files import disk_errors, locked
from prep.progress import Work
from prep.store.read import Store
from zoo.engine.checkpoint import CheckpointError, Progress, load
from zoo.experiment.identity import initial_recipe, run_name
from zoo.experiment.initial import Initial
from zoo.experiment.prepare import identity_of, prepare
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import initial
from zoo.experiment.result import Result, evaluate, warnings
from zoo.experiment.run import Run, RunError, execute


def train_chain(
    recipe: Recipe, store: Store, device: torch.device, runs: Path, out: Path | None = None
) -> Work[tuple[Run, Result, bool]]:
    """Train a recipe, after the recipes that it is initialised from; return its run, result, and whether it was trained
    now.

    Every run has a folder of its own below `runs`, the last one `out` where that is given. A finished run is not
    trained again, a stopped one continues. Raises RunError where a folder belongs to something else.
    """
    source = None
    if recipe.init.source:
        source = yield from _initial(recipe, store, device, runs)
    identity = identity_of(recipe, store, source)
    run = Run(out or runs / run_name(recipe, identity))
    with locked(run.path), disk_errors(run.path):
        done = run.finished(identity)
        result = done or (yield from execute(prepare(recipe, store, device, source), run))
    return run, result, done is None


def measure_run(run: Run, recipe: Recipe, store: Store, device: torch.device) -> Work[Result]:
    """Measure the weights of a run as `recipe` says, which may name other classes, shots or another store.

    The result's `warnings` name classes that the run was trained on and another store or preprocessing. Raises
    CheckpointError where the weights do not fit the store, RunError for a pre-training run.
    """
    prepared = prepare(recipe, store, device, training=False)
    if not prepared.test:
        remedy = f"Train a method with init.source={run.path}"
        raise RunError(f"{run.path}: a pre-training run has no test accuracy. {remedy}.")
    before, now = run.identity(), prepared.identity
    if (before.layout, before.bodies) != (now.layout, now.bodies):
        raise CheckpointError(
            f"{run.weights}: trained on layout {before.layout} with {before.bodies} bodies; this store has "
            f"{now.layout} with {now.bodies}. Choose a store that fits with --store."
        )
    header = load(run.weights, prepared.learner)
    result = yield from evaluate(prepared, header.progress)
    return result.with_warnings(warnings(run.recipe(), before, prepared), before.init_digest)


def measure_untrained(run: Run, recipe: Recipe, store: Store, device: torch.device) -> Work[Result]:
    """Measure the network of a run's recipe as it was before training, with random or initial weights."""
    source = None
    if recipe.init.source:
        source = yield from _initial(recipe, store, device, run.path.parent)
    prepared = prepare(recipe, store, device, source, training=False)
    return (yield from evaluate(prepared, Progress()))


def _initial(recipe: Recipe, store: Store, device: torch.device, runs: Path) -> Work[Initial]:
    """The finished run that a recipe starts from, trained now where it is a recipe's."""
    path = Path(recipe.init.source)
    if (path / "recipe.toml").is_file():
        run, result = Run(path), Run(path).result()
        if result is None:
            raise RunError(f"{path}: not finished, so nothing can start from it. Run `fszoo train` for it again.")
    else:
        run, result, _ = yield from train_chain(initial(recipe), store, device, runs)
    return Initial(run.weights, result.weights_digest, initial_recipe(recipe))
