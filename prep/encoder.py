"""Encoders: frames and sentences to vectors. One is a module of prep.encoders with facts in manifests/encoders, or a
user's own file of the same form, `my_encoder.py` with `my_encoder.toml` beside it.

A module has

    load(request: Request) -> Encoder      raises EncoderError where weights are absent, of another architecture, or
                                           anything but plain tensors
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from manifests.encoder import Encoder as Facts
from manifests.facts import encoder as facts_of
from manifests.facts import is_own_encoder, names, own_encoder
from prep.clip import PrepError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]
_HERE = Path(__file__).parent


class EncoderError(PrepError):
    """An encoder or its weights cannot be used; the text says what to get, or what is wrong with them."""


@dataclass(frozen=True)
class Request:
    """What to load: the encoder's facts, its weights by path or name, for this device, computing in this precision."""

    facts: Facts
    weights: str
    device: str = "cpu"
    precision: Precision = "float32"


class Encoder(Protocol):
    """A loaded, frozen encoder."""

    frames: int
    """How many frames a clip must have; 0: any number."""
    size: int
    """Sides of the square picture in pixels."""
    width: int
    """D."""
    weights: str
    """sha256 of its weights, see `weights_digest`."""

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), red first, to vectors (B, D). A row does not depend on its neighbours."""

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D)."""


@dataclass(frozen=True)
class Kind:
    """An encoder by name: its facts and its code."""

    facts: Facts
    module: ModuleType

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.facts.name

    def load(self, weights: str, device: str, precision: Precision) -> Encoder:
        """Ready to use, with these weights ("": its default ones). Raises EncoderError."""
        if not (weights or self.facts.weights):
            raise EncoderError(f"{self.name}: its weights are not public by name. {self.facts.obtain.strip()}")
        loaded: Encoder = self.module.load(Request(self.facts, weights or self.facts.weights, device, precision))
        return loaded


def encoder(name: str) -> Kind:
    """The encoder of that name, or in the user's own file `name`, a path that ends in .py.

    Raises FactError, EncoderError.
    """
    if not is_own_encoder(name):
        return Kind(facts_of(name), importlib.import_module(f"prep.encoders.{name}"))
    path = Path(name)
    if path.stem in names("encoders"):
        raise EncoderError(f"{path}: an encoder is named after its file, and `{path.stem}` ships already. Rename it.")
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file. Shipped encoders: {', '.join(names('encoders'))}.")
    return Kind(own_encoder(path), _imported(path))


def weights_digest(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """sha256 over names, types, shapes and numbers of an encoder's tensors, in the order of their names."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        if plain.numel():
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"own_encoder_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise EncoderError(f"{path}: is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "load", None)):
        raise EncoderError(f"{path}: has no function `load(request)`; see prep/encoder.py.")
    return module
