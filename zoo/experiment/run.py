"""A run on disk. Started, killed and resumed to the same numbers; one process writes at a time.

recipe.toml              the resolved recipe, itself runnable
checkpoint.safetensors   weights, optimiser, schedule and progress of the last checkpoint
best.safetensors         weights of the best validation, where there is validation
log.jsonl                one line per record up to the last checkpoint
result.json              the measurement on the test classes, written last: the run is finished
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch.optim import Optimizer

from manifests.digest import short
from manifests.strict import InvalidValue, build
from prep.files import atomic_write
from prep.progress import Step, Work
from zoo.engine.checkpoint import CheckpointError, Header, Identity, Progress, load, read_header, resume, save
from zoo.engine.optimiser import Schedule, make_optimiser, make_schedule
from zoo.engine.train import Record, train
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import Recipe, to_toml
from zoo.experiment.resolve import resolve
from zoo.experiment.result import Result, evaluate


class RunError(Exception):
    """A run's folder does not hold what it should, or belongs to another recipe, store or initial weights."""


@dataclass(frozen=True)
class Run:
    """The folder of one run and the files in it (see the top of this file)."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """Weights of the best validation."""
        return self.path / "best.safetensors"

    @property
    def weights(self) -> Path:
        """The weights that are measured: the best, else the last."""
        return self.best if self.best.exists() else self.checkpoint

    @property
    def log(self) -> Path:
        """One JSON object per line."""
        return self.path / "log.jsonl"

    def recipe(self) -> Recipe:
        """The resolved recipe. Raises RunError where there is none."""
        file = self.path / "recipe.toml"
        if not file.is_file():
            raise RunError(f"{self.path}: no recipe.toml, so it is not a run. `fszoo train` makes one.")
        return resolve(str(file))

    def result(self) -> Result | None:
        """The measurement of a finished run, or None while there is none. Raises RunError for a damaged file."""
        file = self.path / "result.json"
        if not file.exists():
            return None
        try:
            return build(Result, json.loads(file.read_bytes()), str(file))
        except (ValueError, RecursionError, InvalidValue) as error:
            remedy = "Delete the file and run the same `fszoo train` again: it measures the trained weights."
            raise RunError(f"{file}: damaged ({error}). {remedy}") from error

    def finished(self, identity: Identity) -> Result | None:
        """The result if the run is finished. Raises RunError where the folder belongs to another identity."""
        result = self.result()
        if result is not None:
            self._check(identity, Identity(**{key: getattr(result, key) for key in vars(identity)}))
        elif self.checkpoint.exists():
            self._check(identity, read_header(self.checkpoint).identity)
        return result

    def identity(self) -> Identity:
        """What the weights belong to. Raises CheckpointError where there are none."""
        return read_header(self.weights).identity

    def _check(self, wanted: Identity, own: Identity) -> None:
        for what, mine, theirs in (
            ("recipe", wanted.recipe_digest, own.recipe_digest),
            ("store", wanted.store_digest, own.store_digest),
            ("set of initial weights", wanted.init_digest, own.init_digest),
        ):
            if mine != theirs:
                raise RunError(
                    f"{self.path}: belongs to another {what} ({short(theirs) or 'none'}, now {short(mine) or 'none'}). "
                    "Choose another --out, or delete the folder to start again."
                )


def execute(prepared: Prepared, run: Run) -> Work[Result]:
    """Train from the run's last checkpoint, or from the start, measure, and write the result.

    The caller holds the folder's lock. Raises RunError where the folder belongs to something else, CheckpointError,
    Diverged.
    """
    run.path.mkdir(parents=True, exist_ok=True)
    done = run.finished(prepared.identity)
    if done is not None:
        return done
    loader, recipe = prepared.train, prepared.recipe
    if loader is None:
        raise RunError(f"{run.path}: prepared for measuring only. Prepare it for training.")
    optimiser = make_optimiser(recipe.optimiser, prepared.learner)
    schedule = make_schedule(recipe.optimiser, optimiser, prepared.plan.size / max(1, prepared.plan.total))
    start = _start(prepared, run, len(loader), optimiser, schedule)
    loop = train(prepared.learner, loader, prepared.plan, optimiser, schedule, start, prepared.validation)
    pending: list[Record] = []
    for record in loop:
        if isinstance(record, Step):
            yield record
            continue
        pending.append(record)
        header = Header(prepared.identity, record.progress)
        if record.best:
            save(run.best, prepared.learner, header)
        if record.checkpoint:
            _append(run.log, pending)
            save(run.checkpoint, prepared.learner, header, optimiser, schedule)
            pending = []
        yield Step(record.done, record.total, f"training {recipe.name}", _note(record))
    return (yield from _finish(prepared, run))


def _finish(prepared: Prepared, run: Run) -> Work[Result]:
    """Measure the run's best (or last) weights and write result.json."""
    header = load(run.weights, prepared.learner)
    if header.identity != prepared.identity:
        raise CheckpointError(f"{run.weights}: does not belong to this run. Delete the folder and train again.")
    result = yield from evaluate(prepared, header.progress)
    atomic_write(run.path / "result.json", json.dumps(asdict(result), indent=1))
    return result


def _start(prepared: Prepared, run: Run, steps: int, optimiser: Optimizer, schedule: Schedule) -> Progress:
    """The progress to go on from; a run without a checkpoint starts with one at step 0."""
    if run.checkpoint.exists():
        progress = resume(run.checkpoint, prepared.learner, optimiser, schedule).progress
        if progress.step > steps:
            rule = f"step is {progress.step} of {steps}"
            raise CheckpointError(f"{run.checkpoint}: {rule}. Delete it to start again.")
        _cut_log(run.log, progress.step)
        return progress
    for stale in (run.best, run.log):
        stale.unlink(missing_ok=True)
    atomic_write(run.path / "recipe.toml", to_toml(prepared.recipe))
    if not steps:
        save(run.checkpoint, prepared.learner, Header(prepared.identity, Progress()), optimiser, schedule)
    return Progress()


def _note(record: Record) -> str:
    accuracy = "" if record.accuracy is None else f"  accuracy {100 * record.accuracy:.1f} %"
    return f"loss {record.loss:.3f}{accuracy}"


def _append(file: Path, records: list[Record]) -> None:
    lines = []
    for record in records:
        content = {"step": record.progress.step, **asdict(record)}
        del content["progress"], content["checkpoint"]
        lines.append(json.dumps(content) + "\n")
    with file.open("a", encoding="utf-8") as log:
        log.writelines(lines)


def _cut_log(file: Path, step: int) -> None:
    """Drop the lines that a killed run wrote after its last checkpoint, a truncated line at the end included."""
    kept = []
    for line in file.read_bytes().splitlines() if file.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + b"\n")
        except (ValueError, KeyError, TypeError):
            break
    atomic_write(file, b"".join(kept))
