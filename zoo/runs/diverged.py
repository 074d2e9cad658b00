"""What a run saves when a loss is not finite, and how that is replayed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from episodes.episode import Episode
from manifests.strict import InvalidValue, build
from prep.files import atomic_write
from prep.progress import Step, Work
from zoo.engine.checkpoint import CheckpointError, resume
from zoo.engine.optimiser import end_step
from zoo.engine.ranks import ALONE
from zoo.engine.step import Trainer, forward_backward, take_step, unit_seed
from zoo.experiment.prepare import Prepared
from zoo.runs.run import Run


@dataclass(frozen=True)
class Place:
    """The step and the unit (episode or batch) of a loss that is not finite, counted from 0."""

    step: int
    unit: int


@dataclass(frozen=True)
class Replay:
    """The losses of one unit, computed again.

    `module` is the first module whose output is not finite ("" where all are), `operation` the operation whose gradient
    is not ("" where all are), `clips` the names of the unit's clips.
    """

    place: Place
    losses: Mapping[str, float]
    module: str
    operation: str
    clips: tuple[str, ...]


def save_unit(file: Path, served: Any, step: int, unit: int) -> None:
    """Write the tensors of an episode or batch, and its place, to a safetensors file."""
    from safetensors.torch import save

    tensors = {field.name: getattr(served, field.name) for field in fields(served)}
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items() if isinstance(value, Tensor)}
    atomic_write(file, save(kept, {"place": json.dumps({"step": step, "unit": unit})}))


def read_place(file: Path) -> Place:
    """The place that `save_unit` wrote. Raises CheckpointError where there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return build(Place, json.loads((opened.metadata() or {})["place"]), str(file))
    except FileNotFoundError:
        raise CheckpointError(f"{file}: there is no such file: no loss of this run was infinite or NaN.") from None
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError, InvalidValue) as error:
        raise CheckpointError(f"{file}: damaged ({error}). Delete it and run `fszoo train` again.") from error


def replay(prepared: Prepared, trainer: Trainer, run: Run) -> Work[Replay]:
    """Train from the last checkpoint to the unit that diverged, and compute its loss operation by operation.

    Nothing in the run's folder changes. Raises CheckpointError where no loss has diverged.
    """
    place, plan, loader = read_place(run.diverged), prepared.plan, prepared.train
    assert loader is not None
    start = 0
    if run.checkpoint.exists():
        header = resume(run.checkpoint, trainer.learner, trainer.optimiser, trainer.schedule, trainer.scaler)
        start = header.progress.step
    trainer.learner.train()

    def unit(served: Any, number: int) -> Any:
        return forward_backward(trainer.learner, served, unit_seed(plan.seed, number), plan.precision, trainer.scaler)

    for step in range(start, place.step):
        units = plan.units(step, len(loader))
        take_step(trainer, units, loader.at, unit, ALONE, plan.grad_clip)
        end_step(trainer.schedule)
        trainer.learner.after_step((step + 1) / plan.steps(len(loader)))
        yield Step(step + 1 - start, place.step - start + 1, "replaying")
    served = loader.at(place.unit)
    first, operation, losses = _Watch(trainer.learner), "", {}
    try:
        with warnings.catch_warnings(), _anomalies():
            found = unit(served, place.unit)
        losses = {"loss": float(found.total.detach()), **{name: float(v.detach()) for name, v in found.parts.items()}}
    except RuntimeError as error:
        operation = str(error).splitlines()[0]
    finally:
        first.remove()
    return Replay(place, losses, first.module, operation, _names(prepared, served))


def _anomalies() -> torch.autograd.detect_anomaly:
    """Name the operation whose gradient is NaN. torch warns that this is slow, which it is for one step only."""
    warnings.simplefilter("ignore", UserWarning)
    return torch.autograd.detect_anomaly()


class _Watch:
    """Notes the first module whose output is not finite."""

    def __init__(self, model: nn.Module) -> None:
        self.module = ""
        self._hooks = [
            module.register_forward_hook(self._look_at(name)) for name, module in model.named_modules() if name
        ]

    def _look_at(self, name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if not self.module and isinstance(output, Tensor) and not bool(output.isfinite().all()):
                self.module = name

        return look

    def remove(self) -> None:
        """Take the hooks off."""
        for hook in self._hooks:
            hook.remove()


def _names(prepared: Prepared, served: Any) -> tuple[str, ...]:
    if not isinstance(served, Episode) or prepared.pools is None:
        return ()
    clips = torch.cat([served.support_clip.flatten(), served.query_clip.flatten()]).tolist()
    return tuple(prepared.pools.base.names[clip] for clip in clips)
