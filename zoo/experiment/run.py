"""A run on disk: its recipe, log, checkpoints and result. Started, killed and resumed to the same numbers.

recipe.toml              the resolved recipe, itself runnable
checkpoint.safetensors   weights, optimiser and progress of the last checkpoint
best.safetensors         weights of the best validation, where there is validation
log.jsonl                one line per record up to the last checkpoint
result.json              what was measured on the test classes; its presence says the run is finished
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from torch.optim import Optimizer

from manifests.facts import split
from manifests.strict import InvalidValue, build
from zoo.engine.checkpoint import CheckpointError, Identity, Progress, identity_of, load, save, save_model
from zoo.engine.evaluate import Measured, last, measure
from zoo.engine.optimiser import make
from zoo.engine.train import Step, train
from zoo.experiment.prepare import Setup
from zoo.experiment.recipe import Recipe, resolve, to_toml

Watch = Callable[[int, int], None]


class RunError(Exception):
    """A run's folder does not hold what it should, or belongs to another recipe or store."""


@dataclass(frozen=True)
class Result:
    """The number of a run, with all that is needed to make it again. `accuracy` and `interval` in percent."""

    recipe: str
    split: str
    draw: int
    method: str
    backbone: str
    way: int
    shot: int
    seed: int
    accuracy: float
    interval: float
    episodes: int
    queries: int
    test_seed: int
    trained: int
    store_digest: str
    recipe_digest: str


@dataclass(frozen=True)
class Run:
    """A folder."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """Weights of the best validation."""
        return self.path / "best.safetensors"

    def recipe(self) -> Recipe:
        """The resolved recipe. Raises RunError where there is none."""
        file = self.path / "recipe.toml"
        if not file.is_file():
            raise RunError(f"{self.path}: no recipe.toml, so it is not a run. `fszoo train` makes one.")
        return resolve(str(file))

    def result(self) -> Result | None:
        """The finished run's number, or None while there is none."""
        file = self.path / "result.json"
        if not file.exists():
            return None
        try:
            return build(Result, json.loads(file.read_bytes()), str(file))
        except (ValueError, InvalidValue) as error:
            raise RunError(f"{file}: damaged ({error}). Delete it and run `fszoo eval {self.path}`.") from error


def execute(setup: Setup, run: Run, watch: Watch | None = None) -> Iterator[Step]:
    """Train from the run's last checkpoint, or from nothing, to the end; checkpoints on the way. Then `finish`."""
    run.path.mkdir(parents=True, exist_ok=True)
    optimiser = make(setup.recipe.optimiser, setup.model)
    start = _resume(setup, run, optimiser)
    every = max(1, setup.recipe.budget.checkpoint // setup.recipe.budget.batch)
    pending: list[str] = []
    for record in train(setup, optimiser, start, watch):
        pending.append(_line(record))
        if record.best:
            save_model(run.best, setup.model, record.progress, setup.identity)
        if record.progress.step % every == 0 or record.validation is not None or record.done == record.total:
            _append(run.path / "log.jsonl", pending)
            save(run.checkpoint, setup.model, optimiser, record.progress, setup.identity)
            pending = []
        yield record


def finish(setup: Setup, run: Run, watch: Watch | None = None) -> Result:
    """Measure the run's best (or last) weights on the test classes and write result.json."""
    result = evaluate(setup, run, watch)
    temporary = run.path / "result.json.writing"
    temporary.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    temporary.replace(run.path / "result.json")
    return result


def evaluate(setup: Setup, run: Run, watch: Watch | None = None) -> Result:
    """Measure the run's weights on the test classes of `setup`. Raises CheckpointError where they do not fit."""
    weights = run.best if run.best.exists() else run.checkpoint
    found = identity_of(weights)
    if (found.layout, found.bodies) != (setup.identity.layout, setup.identity.bodies):
        raise CheckpointError(
            f"{weights}: trained on layout {found.layout} with {found.bodies} bodies; this store has "
            f"{setup.identity.layout} with {setup.identity.bodies}. Choose a store that fits with --store."
        )
    progress, _ = load(weights, setup.model)
    measured = last(measure(setup.model, setup.test, setup.independent), _shown(watch))
    return make_result(setup, measured, progress.step * setup.recipe.budget.batch)


def make_result(setup: Setup, measured: Measured, trained: int) -> Result:
    """A measurement with the choices it was made under; `trained` episodes went before it."""
    recipe = setup.recipe
    return Result(
        recipe=recipe.name,
        split=split(recipe.data.split).name,
        draw=recipe.data.draw,
        method=recipe.method.name,
        backbone=recipe.backbone.name,
        way=setup.way,
        shot=recipe.task.shot,
        seed=recipe.seed,
        accuracy=round(100 * measured.accuracy, 4),
        interval=round(100 * measured.interval, 4),
        episodes=measured.episodes,
        queries=measured.queries,
        test_seed=recipe.budget.test_seed,
        trained=trained,
        store_digest=setup.identity.store_digest,
        recipe_digest=setup.identity.recipe_digest,
    )


def untrained(setup: Setup, watch: Watch | None = None) -> Result:
    """The same measurement on the model as it is, before any training."""
    return make_result(setup, last(measure(setup.model, setup.test, setup.independent), _shown(watch)), 0)


def _resume(setup: Setup, run: Run, optimiser: Optimizer) -> Progress:
    file = run.path / "recipe.toml"
    if not run.checkpoint.exists():
        file.write_text(to_toml(setup.recipe), encoding="utf-8")
        for stale in (run.best, run.path / "log.jsonl"):
            stale.unlink(missing_ok=True)
        return Progress()
    _check_same(setup.identity, identity_of(run.checkpoint), run)
    progress, _ = load(run.checkpoint, setup.model, optimiser)
    _cut_log(run.path / "log.jsonl", progress.step)
    return progress


def _check_same(own: Identity, found: Identity, run: Run) -> None:
    for what, mine, theirs in (
        ("recipe", own.recipe_digest, found.recipe_digest),
        ("store", own.store_digest, found.store_digest),
    ):
        if mine != theirs:
            raise RunError(
                f"{run.path}: begun with another {what} ({theirs[:12]}, now {mine[:12]}). "
                "Choose another --out, or delete the folder to start again."
            )


def _line(record: Step) -> str:
    content = {"step": record.progress.step, **asdict(record)}
    del content["progress"]
    return json.dumps(content)


def _append(file: Path, lines: list[str]) -> None:
    with file.open("a", encoding="utf-8") as log:
        log.writelines(line + "\n" for line in lines)


def _cut_log(file: Path, step: int) -> None:
    """Forget lines that a killed run wrote after its last checkpoint, a half line at the end included."""
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            break
    file.write_text("".join(kept), encoding="utf-8")


def _shown(watch: Watch | None) -> Callable[[Measured], None] | None:
    return (lambda record: watch(record.done, record.total)) if watch else None
