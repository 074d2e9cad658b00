"""Encoders: frames and sentences to vectors. One is a module of prep.encoders with facts in manifests/encoders, or a
user's own file of the same form with its facts beside it. Both files of one that works, `my_encoder.toml`

    title = "Mean colours"
    source = "my thesis, chapter 3"
    licence = "mine"
    obtain = "It needs no weights."
    weights = "none"
    checkpoints = [{ weights = "none", frames = 0 }]
    mean = [0.5, 0.5, 0.5]
    std = [0.5, 0.5, 0.5]

and `my_encoder.py`

    import numpy as np

    class Colours:
        frames, size, width, weights = 0, 64, 3, "none"

        def videos(self, pictures):
            return pictures.mean(axis=(1, 2, 3), dtype=np.float32)

        def texts(self, sentences):
            return np.array([(len(each), each.count(" "), 1) for each in sentences], np.float32)

    def load(request):
        return Colours()

after which `--encoder my_encoder.py` takes it, and prep/encoders/tiny.py is one to copy from. `load(request: Request)`
gives an Encoder. It is told what `--weights` and `--device` said, and raises EncoderError where weights are absent, of
another architecture, or anything but plain tensors.

`weights` must change when the vectors would: `weights_digest` of a torch model's state_dict, and of settings that no
tensor shows. What `Kind.load` returns carries it, ready for the key of what is stored. For a user's own file the sha256
of that file and its colours are mixed in there, so an edited file does not continue what an older one began; a module
that it imports is not covered, nor is anything that it reads unless `weights` says so. Its answers are checked: a wrong
shape, type or a number that is not finite is an EncoderError. It is code of the user's and runs as such.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from manifests.encoder import Encoder as Facts
from manifests.facts import custom_encoder, is_custom_encoder, names
from manifests.facts import encoder as facts_of
from prep.errors import PrepError
from prep.video.extras import GET

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]


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

    @property
    def frames(self) -> int:
        """How many frames a clip must have; 0: any number from 1."""

    @property
    def size(self) -> int:
        """Sides of the square picture in pixels."""

    @property
    def width(self) -> int:
        """D."""

    @property
    def weights(self) -> str:
        """What its vectors depend on, as it goes into the key: the sha256 of its weights, see `weights_digest`."""

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), red first, to vectors (B, D). A row does not depend on its neighbours.

        Raises EncoderError for a T that it does not take.
        """

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D). Raises EncoderError for one without words, or longer than it can read."""


@dataclass(frozen=True)
class Kind:
    """An encoder by name: its facts and its code. `path` and `code` (the sha256) are those of a user's own file."""

    facts: Facts
    module: ModuleType
    path: Path | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.facts.name

    def load(self, weights: str, device: str, precision: Precision) -> Encoder:
        """Ready to use, with these weights ("": its default ones). Raises EncoderError."""
        if not (weights or self.facts.weights):
            raise EncoderError(f"{self.name}: its weights are not public by name. {self.facts.obtain.strip()}")
        request = Request(self.facts, weights or self.facts.weights, device, precision)
        if self.path is not None:
            return _Own.of(self, self.path, request)
        try:
            loaded: Encoder = self.module.load(request)
        except ModuleNotFoundError as error:
            raise EncoderError(
                f"{self.name} needs the library `{error.name}`, which is not installed. {GET}"
            ) from error
        return loaded


@dataclass(frozen=True)
class _Own:
    """A user's own encoder, whose answers are checked and whose code belongs to its `weights`."""

    inner: Encoder
    path: Path
    frames: int
    size: int
    width: int
    weights: str

    @classmethod
    def of(cls, kind: Kind, path: Path, request: Request) -> _Own:
        with _blamed(path, "load(request)"):
            inner = kind.module.load(request)
            numbers = {name: getattr(inner, name) for name in ("frames", "size", "width")}
            held = inner.weights
        for name, value in numbers.items():
            if not isinstance(value, int) or value < (0 if name == "frames" else 1):
                raise EncoderError(f"{path}: `{name}` is {value!r}; it must be a whole number of at least 1.")
        if not isinstance(held, str) or not held:
            raise EncoderError(f"{path}: `weights` is {held!r}; it must be a text that changes when the vectors would.")
        identity = hashlib.sha256(repr((held, kind.code, request.facts.mean, request.facts.std)).encode()).hexdigest()
        return cls(inner, path, numbers["frames"], numbers["size"], numbers["width"], identity)

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.frames not in (0, pictures.shape[1]):
            rule = f"clips of {pictures.shape[1]} frames; it takes exactly {self.frames}"
            raise EncoderError(f"{self.path}: {rule}. Show {self.frames} frames (--frames {self.frames}).")
        with _blamed(self.path, "videos(pictures)"):
            vectors = self.inner.videos(pictures)
        return self._checked(vectors, "videos(pictures)", len(pictures))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        with _blamed(self.path, "texts(sentences)"):
            vectors = self.inner.texts(sentences)
        return self._checked(vectors, "texts(sentences)", len(sentences))

    def _checked(self, vectors: NDArray[np.float32], call: str, rows: int) -> NDArray[np.float32]:
        wanted = f"a float32 array ({rows}, {self.width})"
        if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.shape != (rows, self.width):
            found = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
            raise EncoderError(f"{self.path}: {call} gives {found}; it must give {wanted}.")
        if not np.isfinite(vectors).all():
            raise EncoderError(f"{self.path}: {call} gives numbers that are not finite.")
        return vectors


def encoder(name: str) -> Kind:
    """The encoder of that name, or in the user's own file `name`, a path that ends in .py; its code is run.

    Raises InvalidValue, EncoderError.
    """
    if not is_custom_encoder(name):
        return Kind(facts_of(name), importlib.import_module(f"prep.encoders.{name}"))
    path = Path(name)
    if path.stem in names("encoders"):
        raise EncoderError(f"{path}: an encoder is named after its file, and `{path.stem}` ships already. Rename it.")
    if not path.stem.isidentifier():
        raise EncoderError(f"{path}: `{path.stem}` is no name for an encoder; take letters, digits and `_`.")
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file. Shipped encoders: {', '.join(names('encoders'))}.")
    if not path.with_suffix(".toml").is_file():
        raise EncoderError(f"{path}: its facts are missing: {path.with_suffix('.toml')}.")
    facts, source = custom_encoder(path), path.read_bytes()
    return Kind(facts, _imported(path, source), path, hashlib.sha256(source).hexdigest())


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


def _imported(path: Path, source: bytes) -> ModuleType:
    """The module that `source` makes: those very bytes, and not what Python may have compiled of the file before."""
    module = ModuleType(f"own_encoder_{path.stem}")
    module.__file__ = str(path)
    # Dataclasses look their module up.
    sys.modules[module.__name__] = module
    with _blamed(path, "its import"):
        exec(compile(source, str(path), "exec"), module.__dict__)
    if not callable(getattr(module, "load", None)):
        raise EncoderError(f"{path}: has no function `load(request)`; see prep/encoders/_encoder.py.")
    return module


@contextmanager
def _blamed(path: Path, call: str) -> Iterator[None]:
    """Whatever the user's own code raises as an EncoderError that names the file and the line in it."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = lines[-1] if lines else getattr(error, "lineno", None)
        line = f" line {where}," if where else ""
        raise EncoderError(f"{path}:{line} {call} raises {type(error).__name__}: {error}") from error
