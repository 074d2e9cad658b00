"""A checkpoint that the authors of a backbone released becomes initial weights. No code of the file is executed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from manifests.layout import Layout
from prep.tensors import as_tensors, read_pickle, read_safetensors, weights_digest
from prep.untrusted.files import check_regular
from zoo import registry
from zoo.engine.header import Imported
from zoo.engine.imported import STATISTICS, changed_constants

# Where a training script of other code keeps the state dict in its checkpoint.
TABLES = ("state_dict", "model_state_dict", "model")
# Modules of the authors that are classifiers, of their own classes.
CLASSIFIERS = ("fc", "fcn", "head", "classifier")
REMEDY = (
    "Name the skeleton, bodies and channels that it was trained on (--layout, --bodies, --channels), and the options "
    "of its network (--set, for example blocks=7)."
)
SHOWN = 3


class ImportRefused(ValueError):
    """A checkpoint that is not one of this backbone in these sizes; the text names the weights and the remedy."""


@dataclass(frozen=True)
class Target:
    """The backbone that weights are imported for, with its `Options`, and the layout, channels and bodies of clips."""

    backbone: str
    options: Any
    layout: Layout
    channels: int
    bodies: int

    def __str__(self) -> str:
        bodies = "1 body" if self.bodies == 1 else f"{self.bodies} bodies"
        return f"{Path(self.backbone).stem} for {self.layout.name}, {self.channels} channels, {bodies}"


def import_weights(path: Path, target: Target) -> tuple[dict[str, Tensor], Imported]:
    """The weights of a checkpoint by our names, in the number format of the backbone, and their metadata.

    Raises ImportRefused where the checkpoint is of another architecture or of other sizes, or the backbone's file has
    no `from_authors`; PrepError where the file is damaged or holds anything but tensors.
    """
    map_names = _key_map(target.backbone)
    theirs = _Recorded(read_released(path))
    model = _model(target)
    try:
        ours = map_names(theirs)
    except KeyError as error:
        authors = f"the authors' {Path(target.backbone).stem}"
        raise ImportRefused(f"{path}: has no `{error.args[0]}`, so it is not a checkpoint of {authors}.") from error
    except (IndexError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ImportRefused(f"{path}: its weights do not have the shapes of {target} ({reason}). {REMEDY}") from error
    _check(path, model, ours, theirs, target)
    taken = {name: ours.get(name, value).to(value.dtype) for name, value in model.state_dict().items()}
    return taken, _metadata(path, target, taken, theirs.left_out(ours))


def read_released(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file, or in a file of torch.save of any version. Raises PrepError.

    It may be an entry of the checkpoint (one of TABLES), and its names may begin with `module.`.
    """
    check_regular(path)
    value = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path, old_format=True)
    for name in TABLES:
        if isinstance(value, Mapping) and isinstance(value.get(name), Mapping):
            value = value[name]
            break
    tensors = as_tensors(value, path)
    wrapped = all(name.startswith("module.") for name in tensors)
    return {name.removeprefix("module.") if wrapped else name: tensor for name, tensor in tensors.items()}


class _Recorded(Mapping[str, Tensor]):
    """A state dict that remembers which of its tensors were looked up by name."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors, self.used = tensors, set[str]()

    def __getitem__(self, name: str) -> Tensor:
        value = self.tensors[name]
        self.used.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def items(self) -> ItemsView[str, Tensor]:
        """To look through all of them is no use."""
        return self.tensors.items()

    def left_out(self, taken: Mapping[str, Tensor]) -> list[str]:
        """Names of the tensors that were neither looked up nor are among those taken, but for counts of batches."""
        same = {id(value) for value in taken.values()}
        rest = [name for name, value in self.tensors.items() if name not in self.used and id(value) not in same]
        return [name for name in rest if not name.endswith(STATISTICS[2])]

    def named(self, value: Tensor) -> str:
        """The name of a tensor here; "" for one that was computed."""
        return next((name for name, tensor in self.tensors.items() if tensor is value), "")


def _key_map(backbone: str) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    module = sys.modules[registry.backbone(backbone).model.__module__]
    found: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = getattr(module, "from_authors", None)
    if found is None:
        rule = "does not say how its weights are named by its authors"
        raise ImportRefused(f"backbone `{backbone}` {rule}. Write a function `from_authors(weights)` in its file.")
    return found


def _model(target: Target) -> nn.Module:
    """The backbone, of which only the sizes and the constants are used."""
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = registry.backbone(target.backbone).model(
            target.layout, target.channels, target.bodies, target.options
        )
    return model


def _check(path: Path, model: nn.Module, ours: Mapping[str, Tensor], theirs: _Recorded, target: Target) -> None:
    """Raise ImportRefused unless `ours` are the weights of the model, and nothing but a classifier is left out."""
    state = model.state_dict()
    optional = {name for name, _ in model.named_buffers() if not name.endswith(STATISTICS[:2])}
    differences = [
        *(f"`{name}` is missing" for name in state if name not in ours and name not in optional),
        *(f"`{theirs.named(value) or name}` has no place" for name, value in ours.items() if name not in state),
        *(
            f"`{theirs.named(value) or name}` has shape {tuple(value.shape)} instead of {tuple(state[name].shape)}"
            for name, value in ours.items()
            if name in state and value.shape != state[name].shape
        ),
    ]
    if not differences:
        places = [name for name in theirs.left_out(ours) if name.split(".")[0] not in CLASSIFIERS]
        differences = [f"`{name}` has no place" for name in places]
    if not differences:
        differences = [f"`{name}` is another graph" for name in changed_constants(model, ours)]
    if differences:
        raise ImportRefused(f"{path}: does not fit {target}: {_listed(differences)}. {REMEDY}")


def _listed(differences: Sequence[str]) -> str:
    more = len(differences) - SHOWN
    return ", ".join(differences[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _metadata(path: Path, target: Target, weights: Mapping[str, Tensor], left_out: Sequence[str]) -> Imported:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Imported(
        backbone=Path(target.backbone).stem,
        options=asdict(target.options),
        layout=target.layout.name,
        channels=target.channels,
        bodies=target.bodies,
        source=path.name,
        source_digest=digest,
        weights_digest=weights_digest(weights.items()),
        left_out=tuple(left_out),
    )
