"""The file of a demo teacher: its tensors as .safetensors, with their provenance in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.rules import require
from manifests.strict import InvalidValue, build
from prep.encoders._encoder import EncoderError
from prep.files import atomic_write
from prep.tensors import as_tensors, read_safetensors

if TYPE_CHECKING:
    import torch

SUFFIX, FORMAT = ".safetensors", 1
_ENTRY = "demo_teacher"
_AGAIN = "Train one with `fsprep train-teacher`."


@dataclass(frozen=True)
class Provenance:
    """What a teacher was trained on.

    store: the digest of the store.
    base_classes: the names of the classes of `split.train`; no clip or name of another class was used.
    clips, held_out: numbers of clips that were trained on, and of clips of the same classes that were not.
    accuracy: the share of held-out clips that are nearest to the text vector of their class name.
    """

    store: str
    split: str
    base_classes: tuple[str, ...]
    seed: int
    epochs: int
    clips: int
    held_out: int
    accuracy: float
    software: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        require(self.format == FORMAT, f"format is {self.format}; this program reads format {FORMAT}")
        require(0 <= self.accuracy <= 1, f"accuracy is {self.accuracy}; it must be from 0 to 1")


def write_teacher(path: Path, tensors: Mapping[str, torch.Tensor], provenance: Provenance) -> None:
    """Write the file atomically; equal teachers have equal files."""
    from safetensors.torch import save

    owned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # One entry: safetensors writes several in random order.
    atomic_write(path, save(owned, metadata={_ENTRY: json.dumps(asdict(provenance), sort_keys=True)}))


def read_teacher(path: Path) -> tuple[dict[str, torch.Tensor], Provenance]:
    """The tensors and the provenance of a file. Raises EncoderError; executes no code."""
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file. {_AGAIN}")
    if path.suffix != SUFFIX:
        raise EncoderError(f"{path}: is no {SUFFIX} file, the only format of a demo teacher. {_AGAIN}")
    tensors = as_tensors(read_safetensors(path), path)
    return tensors, read_provenance(path)


def read_provenance(path: Path) -> Provenance:
    """The provenance in a .safetensors file. Raises EncoderError where there is none, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"{path}: is damaged or no {SUFFIX} file ({error}). {_AGAIN}") from error
    if _ENTRY not in metadata:
        raise EncoderError(f"{path}: is no demo teacher: its metadata has no `{_ENTRY}`. {_AGAIN}")
    try:
        return build(Provenance, json.loads(metadata[_ENTRY]), str(path))
    except (ValueError, RecursionError, InvalidValue) as error:
        raise EncoderError(f"{path}: the provenance in it cannot be read ({error}). {_AGAIN}") from error
