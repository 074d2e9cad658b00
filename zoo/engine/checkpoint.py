"""Weights, optimiser state and progress of a run in one safetensors file, written beside its name and renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from manifests.strict import InvalidValue, build


class CheckpointError(Exception):
    """A checkpoint is damaged or belongs to something else; the text names the file and the remedy."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands. Floats are kept exactly, so a resumed run is the undisturbed one.

    `loss_sum` is of the current epoch's steps; `plateau_best` and `plateau_bad` belong to the schedule;
    `best` and `best_step` are the best validation accuracy so far (-1 = none yet).
    """

    step: int = 0
    lr: float = 0.0
    loss_sum: float = 0.0
    plateau_best: float = float("inf")
    plateau_bad: int = 0
    best: float = -1.0
    best_step: int = 0


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: a resume must agree in all of it, an evaluation in layout and bodies."""

    recipe_digest: str
    store_digest: str
    layout: str
    bodies: int


def save(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress, identity: Identity
) -> None:
    """Write a checkpoint atomically: a kill leaves the last one or the new one, never half of one."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    metadata = {"progress": _exact(progress), "identity": json.dumps(asdict(identity))}
    write_tensors(path, tensors, metadata)


def save_model(path: Path, model: nn.Module, progress: Progress, identity: Identity) -> None:
    """Write the weights alone, atomically."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    write_tensors(path, tensors, {"progress": _exact(progress), "identity": json.dumps(asdict(identity))})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file beside its name, flush it to the disk, and rename it."""
    from safetensors.torch import save as to_bytes

    owned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    temporary = path.with_name(path.name + ".writing")
    with temporary.open("wb") as file:
        file.write(to_bytes(owned, metadata=dict(metadata)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> tuple[Progress, Identity]:
    """Put a checkpoint into a model, and its optimiser where one is given. Raises CheckpointError."""
    tensors, metadata = _read(path)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    own = model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys()) or [n for n in own if own[n].shape != weights[n].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: does not fit the model at `{wrong[0]}` ({len(wrong)} differ). "
            "Use the recipe it was trained with, and a store of the same layout and bodies."
        )
    model.load_state_dict(weights)
    if optimiser is not None:
        _load_optimiser(optimiser, tensors)
    try:
        progress = build(Progress, _inexact(json.loads(metadata["progress"])), str(path))
        return progress, build(Identity, json.loads(metadata["identity"]), str(path))
    except (KeyError, ValueError, InvalidValue) as error:
        raise CheckpointError(f"{path}: its metadata is damaged ({error}). Delete it to start again.") from error


def identity_of(path: Path) -> Identity:
    """What a checkpoint belongs to, without loading its weights. Raises CheckpointError."""
    _, metadata = _read(path)
    return build(Identity, json.loads(metadata["identity"]), str(path))


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no checkpoint there. `fszoo train` makes one.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}). Delete it and train again.") from error


def _exact(progress: Progress) -> str:
    values = {name: value.hex() if isinstance(value, float) else value for name, value in asdict(progress).items()}
    return json.dumps(values)


def _inexact(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float.fromhex(value) if isinstance(value, str) else value for name, value in values.items()}
