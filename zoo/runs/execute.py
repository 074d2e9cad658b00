"""Carrying out a run: train from its last checkpoint, measure, write the result. Rank 0 writes, all ranks compute."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field

import torch

from episodes.loader import BatchLoader
from prep.files import atomic_write
from prep.progress import Step, Work
from zoo.engine.checkpoint import CheckpointError, load, resume, save
from zoo.engine.evaluate import Accuracy, measure
from zoo.engine.header import Header, Progress
from zoo.engine.laps import Laps
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.ranks import ALONE, Ranks
from zoo.engine.scorer import Scorer
from zoo.engine.step import Trainer, Unit
from zoo.engine.train import Diverged, Record, train
from zoo.experiment.feed import SetupError
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import to_toml
from zoo.runs import cost, log
from zoo.runs.collapse import lower_rate
from zoo.runs.confusion import ConfusionCounter, matrix_of
from zoo.runs.confusion_matrix import write_matrix
from zoo.runs.diverged import save_unit
from zoo.runs.measurement import evaluate, missing_targets
from zoo.runs.result import Result
from zoo.runs.run import Run, RunError
from zoo.runs.scoring import check_evaluation, quick_scorer


@dataclass(frozen=True)
class Runtime:
    """How runs are carried out: nothing here changes their numbers by more than rounding.

    `capture` makes the gradients of one unit by replaying a CUDA graph (zoo.engine.capture); `tensorboard` logs for it.
    `gauge` measures the cost of a run (zoo.runs.cost).
    """

    ranks: Ranks = ALONE
    laps: Laps = field(default_factory=Laps)
    capture: bool = False
    tensorboard: bool = False
    gauge: cost.Gauge | None = None


def execute(prepared: Prepared, run: Run, runtime: Runtime = Runtime()) -> Work[Result]:
    """Train from the run's last checkpoint, or from the start, measure, and write the result.

    The caller holds the folder's lock. A KeyboardInterrupt that is thrown in at a step of training is raised again
    after a checkpoint. Raises RunError where the folder belongs to something else, CheckpointError, Diverged.
    """
    ranks = runtime.ranks
    if ranks.first:
        run.path.mkdir(parents=True, exist_ok=True)
        done = run.finished(prepared.identity)
        if done is not None:
            return done
    check_evaluation(prepared)
    if prepared.train is None and prepared.recipe.budget.episodes:
        raise RunError(f"{run.path}: prepared for measuring only. Prepare it for training.")
    if prepared.train is not None and len(prepared.train):
        yield from _train(prepared, run, runtime)
    elif ranks.first:
        _write_recipe(prepared, run)
        save(run.checkpoint, prepared.learner, Header(prepared.identity, Progress()))
    ranks.from_first(None)
    return (yield from _finish(prepared, run, ranks))


def make_trainer(prepared: Prepared) -> Trainer:
    """Optimiser, schedule and (for float16) loss scaler of a prepared learner. Raises SetupError without parameters."""
    recipe, plan = prepared.recipe, prepared.plan
    if not any(group.parameters for group in prepared.learner.parameter_groups()):
        raise SetupError(
            f"{recipe.method.name} on {recipe.backbone.name} has no parameters to train. Set budget.episodes=0."
        )
    optimiser = make_optimiser(recipe.optimiser, prepared.learner)
    share = plan.units_per_step * plan.unit_size / max(1, plan.total)
    device = next(prepared.learner.parameters()).device
    scaler = torch.amp.GradScaler(device.type) if recipe.precision == "float16" else None
    return Trainer(prepared.learner, optimiser, make_schedule(recipe.optimiser, optimiser, share), scaler)


def _train(prepared: Prepared, run: Run, runtime: Runtime) -> Work[None]:
    ranks, loader, recipe = runtime.ranks, prepared.train, prepared.recipe
    assert loader is not None
    if prepared.plan.units_per_step < ranks.size:
        key = "budget.batch" if prepared.test else "budget.accumulate"
        raise SetupError(
            f"{ranks.size} ranks share the {prepared.plan.units_per_step} units of a step. "
            f"Set {key}={ranks.size} or more, or start fewer ranks."
        )
    trainer = make_trainer(prepared)
    start = _start(prepared, run, trainer, ranks)
    done, total = prepared.plan.done(start.step), prepared.plan.total
    for line in _remarks(prepared, run, done):
        yield Step(done, total, f"training {recipe.name}", line=line)
    unit = _captured(prepared, trainer, runtime.laps) if runtime.capture else None
    loop = train(trainer, loader, prepared.plan, start, _validation(prepared, ranks), ranks, unit, runtime.laps)
    board = run.path / "tensorboard" if runtime.tensorboard and ranks.first else None
    writer = log.Log(run.log, board, start.step)
    with closing(writer), _saving_what_diverged(prepared, run, ranks):
        for record in loop:
            if isinstance(record, Step):
                yield record
                continue
            if ranks.first:
                _keep(prepared, run, trainer, record, writer)
            try:
                yield Step(record.done, record.total, f"training {recipe.name}", _note(record), _line(record))
            except KeyboardInterrupt:
                if ranks.first and not record.checkpoint:
                    _checkpoint(prepared, run, trainer, record, writer)
                raise


def _remarks(prepared: Prepared, run: Run, done: int) -> list[str]:
    """What a user should know before a training: where it continues, and that its clips do not fit the device."""
    remarks = [f"{run.path}: continues after {done:,} of {prepared.plan.total:,}"] if done else []
    loader = prepared.train
    remarks += [*prepared.remarks, *missing_targets(prepared)]
    transform = loader.transforms[0] if isinstance(loader, BatchLoader) else getattr(loader, "transform", None)
    if transform is not None and transform.pool.on_host:
        size = transform.pool.joints.nbytes / 1e9
        remarks.append(
            f"{size:.1f} GB of clips do not fit the device: they stay in the memory of the host, and every block of "
            "steps is sent. --set data.pool=float16 halves them."
        )
    return remarks


def _keep(prepared: Prepared, run: Run, trainer: Trainer, record: Record, writer: log.Log) -> None:
    """Save what a record says is due."""
    writer.add(record)
    if record.best:
        save(run.best, prepared.learner, Header(prepared.identity, record.progress))
    if record.checkpoint:
        _checkpoint(prepared, run, trainer, record, writer)


def _checkpoint(prepared: Prepared, run: Run, trainer: Trainer, record: Record, writer: log.Log) -> None:
    writer.flush()
    header = Header(prepared.identity, record.progress)
    save(run.checkpoint, prepared.learner, header, trainer.optimiser, trainer.schedule, trainer.scaler)


@contextmanager
def _saving_what_diverged(prepared: Prepared, run: Run, ranks: Ranks) -> Iterator[None]:
    try:
        yield
    except Diverged as error:
        if ranks.first and prepared.train is not None:
            save_unit(run.diverged, prepared.train.at(error.unit), error.step, error.unit)
        replay = f"It is in {run.diverged}; `fszoo replay {run.path}` computes its loss again, operation by operation"
        words = f"{run.path}: {error} {lower_rate(prepared.recipe)}{replay}."
        raise Diverged(words, error.step, error.unit) from error


def _validation(prepared: Prepared, ranks: Ranks) -> Callable[[], Work[Accuracy]] | None:
    """The measurement on the validation tasks, or on the test tasks where the recipe asks for that."""
    recipe, learner = prepared.recipe, prepared.learner
    if recipe.budget.select_on_test and prepared.test:
        scorer, loaders, independent = quick_scorer, prepared.test, prepared.independent
    elif prepared.validation is not None:
        scorer, loaders, independent = quick_scorer, (prepared.validation,), True
    else:
        return None
    return lambda: measure(scorer(learner, loaders[0]), loaders, independent, "validating", ranks)


def _captured(prepared: Prepared, trainer: Trainer, laps: Laps) -> Unit:
    from zoo.engine.capture import captured_unit

    assert prepared.train is not None
    return captured_unit(trainer, prepared.train.at(0), prepared.plan, laps.lap)


def _finish(prepared: Prepared, run: Run, ranks: Ranks) -> Work[Result]:
    """Measure the run's best (or last) weights; write confusion.json, and result.json last."""
    header = load(run.weights, prepared.learner)
    if header.identity != prepared.identity:
        raise CheckpointError(f"{run.weights}: does not belong to this run. Delete the folder and train again.")
    counters = list[ConfusionCounter]()

    def counted(scorer: Scorer) -> Scorer:
        counters.append(ConfusionCounter(scorer, len(prepared.test[0].transform.pool.classes)))
        return counters[0]

    result = yield from evaluate(prepared, header.progress, ranks, counted)
    parts = [ranks.gather(counter.counts) for counter in counters]
    if ranks.first:
        for part in parts:
            pool = prepared.test[0].transform.pool
            write_matrix(run.path, matrix_of(part, pool.classes, pool.names, result))
        atomic_write(run.path / "result.json", json.dumps(asdict(result), indent=1))
        run.diverged.unlink(missing_ok=True)
    return result


def _start(prepared: Prepared, run: Run, trainer: Trainer, ranks: Ranks) -> Progress:
    """The progress to go on from. Raises CheckpointError for a checkpoint beyond the end of the run."""
    assert prepared.train is not None
    steps = prepared.plan.steps(len(prepared.train))
    if not ranks.from_first(run.checkpoint.exists()):
        if ranks.first:
            for stale in (run.best, run.log, run.path / cost.FILE):
                stale.unlink(missing_ok=True)
            _write_recipe(prepared, run)
        return Progress()
    header = resume(run.checkpoint, prepared.learner, trainer.optimiser, trainer.schedule, trainer.scaler)
    if header.progress.step > steps:
        rule = f"step is {header.progress.step} of {steps}"
        raise CheckpointError(f"{run.checkpoint}: {rule}. Delete it to start again.")
    if ranks.first:
        log.cut(run.log, header.progress.step)
    return header.progress


def _write_recipe(prepared: Prepared, run: Run) -> None:
    atomic_write(run.path / "recipe.toml", to_toml(prepared.recipe))


def _note(record: Record) -> str:
    accuracy = "" if record.accuracy is None else f"  accuracy {100 * record.accuracy:.1f} %"
    return f"loss {record.loss:.3f}{accuracy}"


def _line(record: Record) -> str:
    """The line of a finished epoch: loss, validation, and the shares of its time."""
    if record.seconds is None:
        return ""
    total = sum(record.seconds.values())
    shares = ", ".join(f"{name} {100 * value / max(total, 1e-9):.0f} %" for name, value in record.seconds.items())
    validation = "" if record.validation is None else f", validation {100 * record.validation:.1f} %"
    return f"{record.done:,} of {record.total:,}: {_note(record)}{validation}; time: {shares}"
