"""Tensors by name: read from untrusted files, compared with a model, and their digest.

A file is .safetensors, or a .bin, .pt or .pth written by torch.save. The second kind is a pickle. It is read by torch's
loader for plain tensors only, which calls nothing that a pickle names. Claimed sizes are compared with the size of the
file before memory is allocated.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.errors import PrepError

if TYPE_CHECKING:
    import torch

_DIFFERENCES_SHOWN = 3


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, on the CPU. Raises PrepError, naming the file."""
    return as_tensors(read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path), path)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file. Raises PrepError where it is truncated, or its header is wrong."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        reason = _first_line(error)
        raise PrepError(f"{path}: is damaged or no .safetensors file ({reason}). Get it again.") from error


def read_pickle(path: Path, old_format: bool = False) -> Any:
    """The content of a file of torch.save, if it is plain data and tensors. Raises PrepError; executes no code.

    With `old_format`, files of torch before 1.6 are read too, which are no archives.
    """
    import torch

    if not (old_format and not zipfile.is_zipfile(path)):
        _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged pickle can make the loader raise nearly any error.
    except Exception as error:
        reason = _first_line(error)
        raise PrepError(
            f"{path}: is damaged, or holds something other than plain tensors ({reason}). Nothing in it was run. "
            "Get it again, or have its maker save the tensors alone, best as .safetensors."
        ) from error


def as_tensors(value: object, path: Path) -> dict[str, torch.Tensor]:
    """`value`, if it is a dictionary of finite tensors that fit into the file. Raises PrepError otherwise."""
    import torch

    plain = isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        for name, tensor in value.items()
    )
    if not plain or not value:
        raise PrepError(f"{path}: is not a table of tensors by name. Get the file of the weights alone.")
    tensors: dict[str, torch.Tensor] = dict(value)  # type: ignore[call-overload]
    # With strides of zero a pickle can claim a tensor of any size.
    claimed, size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()), path.stat().st_size
    if claimed > size:
        raise PrepError(f"{path}: claims {claimed} bytes of numbers, and the file has {size}. Get it again.")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise PrepError(f"{path}: `{name}` holds numbers that are not finite. Get it again.")
    return tensors


def check_fit(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], rule: str, remedy: str) -> None:
    """Raise PrepError, which lists differences, unless `tensors` are exactly those of a model, as real numbers.

    The model may be on the meta device: then nothing is allocated for sizes that the file does not have.
    """
    check_shapes({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, tensors, rule, remedy)


def check_shapes(
    shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, torch.Tensor], rule: str, remedy: str
) -> None:
    """The same for the shapes of a model."""
    differences = [
        *(f"`{name}` is absent" for name in shapes if name not in tensors),
        *(f"`{name}` is unknown" for name in tensors if name not in shapes),
        *(
            f"`{name}` is {tensor.dtype} {tuple(tensor.shape)} instead of {shapes[name]}"
            for name, tensor in tensors.items()
            if name in shapes and (tuple(tensor.shape) != shapes[name] or not _is_real(name, tensor))
        ),
    ]
    if differences:
        more = len(differences) - _DIFFERENCES_SHOWN
        listed = ", ".join(differences[:_DIFFERENCES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise PrepError(f"{rule}: {listed}. {remedy}")


def weights_digest(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """sha256 over names, types, shapes and numbers of tensors, in the order of their names."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        if plain.numel():
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _is_real(name: str, tensor: torch.Tensor) -> bool:
    # BatchNorm's count of batches is an integer.
    return tensor.is_floating_point() or name.endswith("num_batches_tracked")


def _check_archive(path: Path) -> None:
    """torch.save does not compress; a compressed file could be larger in memory than on the disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise PrepError(
            f"{path}: is damaged, or was not saved by torch 1.6 or later ({_first_line(error)}). Get it again, or "
            "convert it to .safetensors."
        ) from error
    if compressed:
        raise PrepError(f"{path}: `{compressed[0]}` in it is compressed, which torch.save never does. Get it again.")


def _first_line(error: Exception) -> str:
    line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return line if len(line) <= 160 else f"{line[:157]}..."
