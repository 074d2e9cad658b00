"""Tensors of a file that anybody may have made: .safetensors, or a .bin or .pt that torch has written.

The second kind is a pickle. It is read by torch's machine for plain tensors only, which calls nothing that a pickle
names. What a file says of sizes is held against how large it is, before anything is laid out in memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.encoders._encoder import EncoderError

if TYPE_CHECKING:
    import torch


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by their names, on the CPU. Raises EncoderError, naming the file."""
    return as_tensors(read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path), path)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file. Raises EncoderError where it is cut short, or its header lies."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise EncoderError(f"{path}: is damaged or no .safetensors file ({_short(error)}). Get it again.") from error


def read_pickle(path: Path) -> Any:
    """What torch.save put into a file, if it is plain data and tensors. Raises EncoderError; runs no code."""
    import torch

    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # A broken pickle can make its reader raise nearly anything.
    except Exception as error:
        raise EncoderError(
            f"{path}: is damaged, or holds something other than plain tensors ({_short(error)}). Nothing in it was "
            "run. Get it again, or have its maker save the tensors alone, best as .safetensors."
        ) from error


def as_tensors(value: object, path: Path) -> dict[str, torch.Tensor]:
    """`value`, if it is tensors by name that the file can hold and their numbers are finite. Raises EncoderError."""
    import torch

    plain = isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(each, torch.Tensor) and each.layout == torch.strided
        for key, each in value.items()
    )
    if not plain or not value:
        raise EncoderError(f"{path}: is not a table of tensors by name. Get the file of the weights alone.")
    tensors: dict[str, torch.Tensor] = dict(value)  # type: ignore[call-overload]
    # Strides of zero let a pickle claim a tensor of any size.
    claimed, there = sum(each.numel() * each.element_size() for each in tensors.values()), path.stat().st_size
    if claimed > there:
        raise EncoderError(f"{path}: claims {claimed} bytes of numbers, and the file has {there}. Get it again.")
    for name, each in tensors.items():
        if each.is_floating_point() and not bool(torch.isfinite(each).all()):
            raise EncoderError(f"{path}: `{name}` holds numbers that are not finite. Get it again.")
    return tensors


def _check_archive(path: Path) -> None:
    """torch stores its records uncompressed; a file that is compressed would be larger in memory than it looks."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise EncoderError(
            f"{path}: is damaged, or was not saved by torch 1.6 or later ({_short(error)}). Get it again, or convert "
            "it to .safetensors."
        ) from error
    if packed:
        raise EncoderError(f"{path}: `{packed[0]}` in it is compressed, which torch.save never does. Get it again.")


def _short(error: Exception) -> str:
    first = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return first if len(first) <= 160 else f"{first[:157]}..."
