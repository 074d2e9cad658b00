"""The contract of encoders, which map frames and sentences to vectors. An encoder is a module of prep.encoders with
facts in manifests/encoders, or a user's own file with its facts beside it. Both files of one, `my_encoder.toml`

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

        def videos(self, clips):
            return clips.mean(axis=(1, 2, 3), dtype=np.float32)

        def texts(self, sentences):
            return np.array([(len(text), text.count(" "), 1) for text in sentences], np.float32)

    def load(request):
        return Colours()

after which `--encoder my_encoder.py` uses it; prep/encoders/tiny.py is a complete one to copy. `load(request: Request)`
returns an Encoder. The request holds the values of `--weights` and `--device`; `load` raises EncoderError where weights
are absent, of another architecture, or anything but plain tensors.

`weights` must change whenever the vectors would: it is the `weights_digest` (prep.tensors) of a torch model's
state_dict and of settings that no tensor shows, and part of the key of stored vectors. For a user's own file, the
sha256 of the file and its mean and std are mixed in, so an edited file does not continue the vectors of an older one.
Modules that it imports and files that it reads are not covered unless `weights` covers them. Its output is checked: a
wrong shape or type, or a number that is not finite, is an EncoderError. Its code is executed with the user's rights.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
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
from manifests.user_code import UserCodeError, blamed, load_module
from prep.errors import PrepError
from prep.video.extras import INSTALL

if TYPE_CHECKING:
    pass

Precision = Literal["float32", "bfloat16"]


class EncoderError(PrepError):
    """An encoder or its weights cannot be used; the text says what is wrong with them and how to get them."""


@dataclass(frozen=True)
class Request:
    """What to load: an encoder's facts, the path or name of its weights, the device and the compute precision."""

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
        """Side of the square input frames in pixels."""

    @property
    def width(self) -> int:
        """D, the length of a vector."""

    @property
    def weights(self) -> str:
        """Digest of everything that the vectors depend on, see `weights_digest`."""

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, size, size, 3), RGB, to vectors (B, D). A row does not depend on other rows.

        Raises EncoderError for an unsupported T.
        """

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D). Raises EncoderError for a sentence without words, or one that is too long."""


@dataclass(frozen=True)
class EncoderModule:
    """The code and the facts of an encoder. `path` and `code` (its sha256) are set for a user's own file."""

    facts: Facts
    module: ModuleType
    path: Path | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.facts.name

    def load(self, weights: str, device: str, precision: Precision) -> Encoder:
        """Load it with these weights ("": its default ones). Raises EncoderError."""
        if not (weights or self.facts.weights):
            raise EncoderError(f"{self.name}: its weights are not public by name. {self.facts.obtain.strip()}")
        request = Request(self.facts, weights or self.facts.weights, device, precision)
        if self.path is not None:
            return _CheckedEncoder.load(self, self.path, request)
        try:
            loaded: Encoder = self.module.load(request)
        except ModuleNotFoundError as error:
            raise EncoderError(
                f"{self.name} needs the library `{error.name}`, which is not installed. {INSTALL}"
            ) from error
        return loaded


@dataclass(frozen=True)
class _CheckedEncoder:
    """A user's own encoder: its output is checked, and its code is part of `weights`."""

    inner: Encoder
    path: Path
    frames: int
    size: int
    width: int
    weights: str

    @classmethod
    def load(cls, entry: EncoderModule, path: Path, request: Request) -> _CheckedEncoder:
        with _user_code(path, "load(request)"):
            inner = entry.module.load(request)
            numbers = {name: getattr(inner, name) for name in ("frames", "size", "width")}
            weights = inner.weights
        for name, value in numbers.items():
            if not isinstance(value, int) or value < (0 if name == "frames" else 1):
                raise EncoderError(f"{path}: `{name}` is {value!r}; it must be a whole number of at least 1.")
        if not isinstance(weights, str) or not weights:
            raise EncoderError(
                f"{path}: `weights` is {weights!r}; it must be a text that changes when the vectors would."
            )
        inputs = (weights, entry.code, request.facts.mean, request.facts.std)
        identity = hashlib.sha256(repr(inputs).encode()).hexdigest()
        return cls(inner, path, numbers["frames"], numbers["size"], numbers["width"], identity)

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.frames not in (0, clips.shape[1]):
            rule = f"clips of {clips.shape[1]} frames; it takes exactly {self.frames}"
            raise EncoderError(f"{self.path}: {rule}. Use --frames {self.frames}.")
        with _user_code(self.path, "videos(clips)"):
            vectors = self.inner.videos(clips)
        return self._checked(vectors, "videos(clips)", len(clips))

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        with _user_code(self.path, "texts(sentences)"):
            vectors = self.inner.texts(sentences)
        return self._checked(vectors, "texts(sentences)", len(sentences))

    def _checked(self, vectors: NDArray[np.float32], call: str, rows: int) -> NDArray[np.float32]:
        expected = f"a float32 array ({rows}, {self.width})"
        if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.shape != (rows, self.width):
            value = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
            raise EncoderError(f"{self.path}: {call} gives {value}; it must give {expected}.")
        if not np.isfinite(vectors).all():
            raise EncoderError(f"{self.path}: {call} gives numbers that are not finite.")
        return vectors


def encoder(name: str) -> EncoderModule:
    """The shipped encoder `name`, or the user's own file at the path `name` (ends in .py), whose code is executed.

    Raises InvalidValue, EncoderError.
    """
    if not is_custom_encoder(name):
        return EncoderModule(facts_of(name), importlib.import_module(f"prep.encoders.{name}"))
    path = Path(name)
    if path.stem in names("encoders"):
        raise EncoderError(f"{path}: an encoder is named after its file, and `{path.stem}` ships already. Rename it.")
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such file. Shipped encoders: {', '.join(names('encoders'))}.")
    if not path.with_suffix(".toml").is_file():
        raise EncoderError(f"{path}: its facts are missing: {path.with_suffix('.toml')}.")
    facts = custom_encoder(path)
    try:
        loaded = load_module(path)
    except UserCodeError as error:
        raise EncoderError(str(error)) from error
    if not callable(getattr(loaded.module, "load", None)):
        raise EncoderError(f"{path}: has no function `load(request)`; see prep/encoders/_encoder.py.")
    return EncoderModule(facts, loaded.module, path, loaded.digest)


@contextmanager
def _user_code(path: Path, call: str) -> Iterator[None]:
    """Turn whatever the user's code raises into an EncoderError that names the file and the line."""
    try:
        with blamed(path, call):
            yield
    except UserCodeError as error:
        if isinstance(error.__cause__, PrepError):
            raise error.__cause__ from None
        raise EncoderError(str(error)) from error
