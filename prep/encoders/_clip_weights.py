"""Tensors of a CLIP model from a file, compared with the model that they are for."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.encoders._encoder import EncoderError
from prep.encoders._weights import as_tensors, read_pickle, read_safetensors

if TYPE_CHECKING:
    import torch

Shapes = Mapping[str, tuple[int, ...]]
# OpenAI's archives carry these three numbers among the tensors.
_NUMBERS = ("input_resolution", "context_length", "vocab_size")
_SHOWN = 3


def content(path: Path) -> Any:
    """What a file of weights holds: tensors by name, or dictionaries of them. Raises EncoderError; runs no code."""
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file of weights.")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    _refuse_script(path)
    return read_pickle(path)


def state(found: object, path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, without the `module.` that training on several devices puts before each name.

    Raises EncoderError where `found`, which was read from `path`, is anything else.
    """
    held = as_tensors(found, path)
    prefix = "module." if all(name.startswith("module.") for name in held) else ""
    named = {name.removeprefix(prefix): value for name, value in held.items()}
    return {name: value for name, value in named.items() if name not in _NUMBERS}


def shapes(held: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor."""
    return {name: tuple(tensor.shape) for name, tensor in held.items()}


def check(wanted: Shapes, held: Mapping[str, torch.Tensor], path: Path, model: str) -> None:
    """Raise EncoderError, naming some tensors, unless `held` is exactly those that `model` wants, as real numbers."""
    wrong = [
        *(f"`{name}` is absent" for name in wanted if name not in held),
        *(f"`{name}` is unknown" for name in held if name not in wanted),
        *(
            f"`{name}` is {each.dtype} {tuple(each.shape)} instead of {wanted[name]}"
            for name, each in held.items()
            if name in wanted and (tuple(each.shape) != wanted[name] or not _fits(name, each))
        ),
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise EncoderError(f"{path}: is not {model}: {', '.join(wrong[:_SHOWN])}{more}. Name the model that it is of.")


def _refuse_script(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = [Path(name).name for name in archive.namelist()]
    # Only TorchScript writes this entry; the files that OpenAI hands out are of that kind.
    if "constants.pkl" in names:
        raise EncoderError(
            f"{path}: is a TorchScript archive, which is a program; it was not run. Have its state_dict() saved alone, "
            "best as .safetensors."
        )


def _fits(name: str, tensor: torch.Tensor) -> bool:
    # BatchNorm counts the batches that it has seen.
    return tensor.is_floating_point() or name.endswith("num_batches_tracked")
