"""The weights of a CLIP model in a file: plain tensors by name, or a dictionary that holds them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.encoders._encoder import EncoderError
from prep.tensors import as_tensors, read_pickle, read_safetensors

if TYPE_CHECKING:
    import torch

# OpenAI's archives hold these three numbers beside the tensors.
_NUMBERS = ("input_resolution", "context_length", "vocab_size")


def read_content(path: Path) -> Any:
    """The content of a file: tensors by name, or dictionaries of them. Raises EncoderError; executes no code."""
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file of weights.")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    _refuse_script(path)
    return read_pickle(path)


def clip_tensors(content: object, path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, without the prefix `module.` that training on several devices adds.

    Raises EncoderError if `content`, which was read from `path`, is anything else.
    """
    tensors = as_tensors(content, path)
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""
    renamed = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name not in _NUMBERS}


def _refuse_script(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = [Path(name).name for name in archive.namelist()]
    # Only TorchScript writes this entry; OpenAI's published files are of that kind.
    if "constants.pkl" in names:
        raise EncoderError(
            f"{path}: is a TorchScript archive, which is a program; it was not run. Have its state_dict() saved alone, "
            "best as .safetensors."
        )
