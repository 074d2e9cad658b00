"""Files of imported weights: one backbone, from a checkpoint of other code. Loads torch only to read the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.strict import InvalidValue, build
from zoo.engine.header import Imported

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIX = ".safetensors"
# What a backbone learns or counts; its other buffers are constants, such as the graph.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def is_weights(source: str) -> bool:
    """Whether a source of initial weights is a file of imported weights, by its name.

    >>> is_weights("runs/stgcn.safetensors"), is_weights("supervised")
    (True, False)
    """
    return source.endswith(SUFFIX)


def save_imported(path: Path, weights: Mapping[str, Tensor], about: Imported) -> None:
    """Write the weights of a backbone and their metadata, atomically."""
    from safetensors.torch import save

    from prep.files import atomic_write

    owned = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    atomic_write(path, save(owned, metadata={"imported": json.dumps(asdict(about), sort_keys=True)}))


def read_imported(path: Path) -> Imported:
    """The metadata of imported weights. Raises CheckpointError for another file, naming the remedy."""
    from safetensors import SafetensorError, safe_open

    from zoo.engine.checkpoint import CheckpointError

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file. `fszoo import-weights` makes one.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}). Import the weights again.") from error
    if "header" in metadata:
        remedy = f"Name the folder of the run: init.source={path.parent}"
        raise CheckpointError(f"{path}: is a checkpoint of a run. {remedy}.")
    if "imported" not in metadata:
        remedy = f"Make initial weights of it with `fszoo import-weights {path} BACKBONE`"
        raise CheckpointError(f"{path}: does not say which backbone it fits. {remedy}.")
    try:
        return build(Imported, json.loads(metadata["imported"]), str(path))
    except (ValueError, RecursionError, InvalidValue) as error:
        raise CheckpointError(f"{path}: its metadata is damaged ({error}). Import the weights again.") from error


def load_imported(path: Path, model: nn.Module, part: str, backbone: str, layout: str) -> None:
    """Put imported weights into `model.backbone`, a backbone of that name for that layout.

    Raises CheckpointError where they are damaged, or fit another backbone, layout, graph or other sizes.
    """
    from safetensors.torch import load_file

    from prep.tensors import weights_digest
    from zoo.engine.checkpoint import CheckpointError, check_fit

    about = read_imported(path)
    if part != "backbone":
        raise CheckpointError(f"{path}: holds the weights of a backbone only, not of `{part}`. Leave out init.part.")
    for what, wanted, own in (("backbone", backbone, about.backbone), ("layout", layout, about.layout)):
        if wanted != own:
            raise CheckpointError(f"{path}: imported for {what} {own}, not {wanted}. Import the weights for {wanted}.")
    module = model.get_submodule(part)
    weights = load_file(path)
    if weights_digest(weights.items()) != about.weights_digest:
        raise CheckpointError(f"{path}: damaged, its weights are not those of its metadata. Import the weights again.")
    options = ", ".join(f"{name}={value}" for name, value in about.options.items())
    sizes = f"{about.bodies} bodies, {about.channels} channels and the options {options or 'none'}"
    remedy = f"It was imported for {sizes}: set the same, or import the weights again."
    check_fit(path, module.state_dict(), weights, remedy)
    changed = changed_constants(module, weights)
    if changed:
        raise CheckpointError(f"{path}: its `{changed[0]}` is not that of the model. {remedy}")
    module.load_state_dict(weights)


def changed_constants(module: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """The constants of a module, such as the graph of a backbone, that are others in `weights`."""
    return [
        name
        for name, value in module.named_buffers()
        if name in weights and not name.endswith(STATISTICS) and not value.cpu().allclose(weights[name].to(value.dtype))
    ]
