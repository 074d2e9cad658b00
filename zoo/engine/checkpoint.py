"""Weights, optimiser, schedule and progress of a run in one safetensors file, written atomically and read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from manifests.strict import InvalidValue, build
from prep.files import atomic_write
from prep.tensors import weights_digest
from zoo.engine.header import Header
from zoo.engine.optimiser import Schedule

SAME_RECIPE = "Use the recipe it was trained with, and a store of the same layout and bodies."


class CheckpointError(Exception):
    """A checkpoint is damaged or belongs to something else; the text names the file and the remedy."""


def save(
    path: Path,
    model: nn.Module,
    header: Header,
    optimiser: torch.optim.Optimizer | None = None,
    schedule: Schedule | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> None:
    """Write the weights, and what continues the training where an optimiser and a schedule are given, atomically."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if optimiser is not None and schedule is not None:
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
        rates = tuple(float(group["lr"]) for group in optimiser.param_groups)
        scale = {} if scaler is None else scaler.state_dict()
        header = Header(header.identity, header.progress, rates, _plain_state(schedule), scale)
    _write(path, tensors, header)


def load(path: Path, model: nn.Module) -> Header:
    """Put the weights of a checkpoint into a model. Raises CheckpointError where they are damaged or do not fit."""
    tensors, header = _read(path)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    check_fit(path, model.state_dict(), weights)
    model.load_state_dict(weights)
    return header


def resume(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    scaler: torch.amp.GradScaler | None = None,
) -> Header:
    """As `load`, and put optimiser, schedule and scaler back where they stood. Raises CheckpointError."""
    header = load(path, model)
    tensors, _ = _read(path)
    _check_finite(path, tensors)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    expected = sum(len(group["params"]) for group in groups)
    if len(header.rates) != len(groups) or (header.progress.step and len(state) != expected):
        raise CheckpointError(
            f"{path}: holds the optimiser state of {len(state)} parameters; {expected} are trained. "
            "Delete the checkpoint to start again."
        )
    _check_state(path, state, [parameter for group in optimiser.param_groups for parameter in group["params"]])
    own = _plain_state(schedule)
    if {key: type(value) for key, value in header.schedule.items()} != {key: type(value) for key, value in own.items()}:
        raise CheckpointError(
            f"{path}: does not hold the state of this schedule. Delete the checkpoint to start again."
        )
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    for group, rate in zip(optimiser.param_groups, header.rates, strict=True):
        group["lr"] = rate
    schedule.load_state_dict(dict(header.schedule))
    if scaler is not None and header.scaler:
        scaler.load_state_dict(dict(header.scaler))
    return header


def load_part(path: Path, model: nn.Module, part: str) -> None:
    """Put one module of a checkpoint (its name in the model, such as `backbone`) into the same module of `model`.

    Raises CheckpointError where the checkpoint has no such module or its tensors do not fit.
    """
    tensors, _ = _read(path)
    prefix = f"model.{part}."
    weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    module = dict(model.named_modules()).get(part)
    if not weights or module is None:
        where = path if not weights else type(model).__module__
        raise CheckpointError(f"{where}: has no module `{part}`. Name another one with init.part, such as `backbone`.")
    check_fit(path, module.state_dict(), weights)
    module.load_state_dict(weights)


def read_header(path: Path) -> Header:
    """The metadata of a checkpoint. Raises CheckpointError."""
    return _read(path)[1]


def check_fit(path: Path, own: Mapping[str, Tensor], weights: Mapping[str, Tensor], remedy: str = SAME_RECIPE) -> None:
    """Raise CheckpointError unless `weights` have the names and shapes of a model's `own`, and are finite."""
    wrong = sorted(own.keys() ^ weights.keys()) or [n for n in own if own[n].shape != weights[n].shape]
    if wrong:
        raise CheckpointError(f"{path}: does not fit the model at `{wrong[0]}` ({len(wrong)} differ). {remedy}")
    _check_finite(path, weights)


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path}: `{broken[0]}` holds numbers that are not finite. Delete it and train again.")


def _check_state(path: Path, state: Mapping[int, Mapping[str, Tensor]], parameters: Sequence[Tensor]) -> None:
    """Raise CheckpointError unless every tensor of the state is one number, or of the shape of its parameter."""
    for index, values in state.items():
        shape = parameters[index].shape if index < len(parameters) else None
        wrong = [key for key, value in values.items() if value.numel() != 1 and value.shape != shape]
        if shape is None or wrong:
            where = f"optimiser.{index}" + (f".{wrong[0]}" if wrong else "")
            raise CheckpointError(
                f"{path}: `{where}` does not fit its parameter. Delete the checkpoint to start again."
            )


def _plain_state(schedule: Schedule) -> dict[str, Any]:
    """The schedule's state as JSON takes it: numbers, texts, booleans and lists of them."""
    kinds = (int, float, str, bool, type(None))

    def plain(value: Any) -> bool:
        return isinstance(value, kinds) or (isinstance(value, list) and all(isinstance(v, kinds) for v in value))

    return {key: value for key, value in schedule.state_dict().items() if plain(value)}


def _write(path: Path, tensors: Mapping[str, Tensor], header: Header) -> None:
    from safetensors.torch import save as to_bytes

    owned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    header = replace(header, tensors_digest=weights_digest(owned.items()))
    # One entry: safetensors writes several in random order, and equal runs shall have equal files.
    metadata = {"header": json.dumps(asdict(header), sort_keys=True)}
    atomic_write(path, to_bytes(owned, metadata=metadata))


def _read(path: Path) -> tuple[dict[str, Tensor], Header]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no checkpoint. `fszoo train` makes one.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}). Delete it and train again.") from error
    try:
        header = build(Header, json.loads(metadata["header"]), str(path))
    except (KeyError, ValueError, RecursionError, InvalidValue) as error:
        raise CheckpointError(f"{path}: its metadata is damaged ({error}). Delete it and train again.") from error
    if header.tensors_digest and header.tensors_digest != weights_digest(tensors.items()):
        raise CheckpointError(f"{path}: damaged (its tensors are not those of its digest). Delete it and train again.")
    return tensors, header
