"""The two towers of a CLIP model of open_clip: pictures and sentences to vectors of one space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.encoders._computing import computing
from prep.encoders._encoder import EncoderError, Precision
from prep.encoders._normalise import checked, normalised
from prep.encoders._tokens import tokens
from prep.encoders._torchvision import mend

if TYPE_CHECKING:
    import torch

Colours = tuple[float, float, float]
AT_ONCE = 256
"""Sentences of one pass."""


def library() -> ModuleType:
    """open_clip. Raises EncoderError where it, or what it needs, is not installed."""
    try:
        mend()
        import open_clip
    except ModuleNotFoundError as error:
        raise EncoderError(f"CLIP models need open_clip: {error}. Install the project's extra `video`.") from error
    module: ModuleType = open_clip
    return module


def built(kind: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """A model of `kind`. Its random numbers, soon replaced, are not taken from the global generator."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return kind(**settings)


@dataclass(frozen=True)
class Towers:
    """A frozen model of open_clip. `mean` and `std` normalise colours, `tokenise` makes tokens of sentences."""

    name: str
    model: Any
    size: int
    width: int
    mean: Colours
    std: Colours
    device: str
    precision: Precision
    tokenise: Callable[[Sequence[str]], torch.Tensor] = tokens

    def pictures(self, pictures: NDArray[np.uint8]) -> torch.Tensor:
        """Clips (B, T, size, size, 3) to vectors (B, T, D) in float32, of any length. All go through in one pass.

        Raises EncoderError for another shape or type.
        """
        colours = normalised(checked(pictures, 0, self.size, self.name), self.mean, self.std, self.device)
        return self.of_colours(colours.flatten(0, 1)).unflatten(0, colours.shape[:2])

    def of_colours(self, colours: torch.Tensor) -> torch.Tensor:
        """Normalised pictures (n, 3, size, size) to vectors (n, D) in float32, of any length."""
        with computing(self.device, self.precision):
            vectors: torch.Tensor = self.model.encode_image(colours).float()
        return vectors

    def sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that does not fit."""
        if not sentences:
            return np.zeros((0, self.width), np.float32)
        rows = self.tokenise(sentences).split(AT_ONCE)
        return np.concatenate([plain(unit(self.of_tokens(part))) for part in rows])

    def of_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (n, places) to vectors (n, D) in float32, of any length."""
        with computing(self.device, self.precision):
            vectors: torch.Tensor = self.model.encode_text(tokens.to(self.device)).float()
        return vectors


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (..., D) of length 1."""
    import torch

    return torch.nn.functional.normalize(vectors, dim=-1)


def plain(vectors: torch.Tensor) -> NDArray[np.float32]:
    """A tensor as an array in the computer's own memory."""
    array: NDArray[np.float32] = vectors.cpu().numpy()
    return array
