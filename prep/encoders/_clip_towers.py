"""The image encoder and the text encoder of a CLIP model of open_clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prep.encoders._computing import computing
from prep.encoders._encoder import EncoderError, Precision
from prep.encoders._normalise import check_clips, normalise
from prep.encoders._tokens import tokens
from prep.torchvision_import import ensure_importable

if TYPE_CHECKING:
    import torch

RGB = tuple[float, float, float]
BATCH = 256
"""Sentences per batch."""


def library() -> ModuleType:
    """The module open_clip. Raises EncoderError where it, or a library that it needs, is not installed."""
    try:
        ensure_importable()
        import open_clip
    except ModuleNotFoundError as error:
        raise EncoderError(f"CLIP models need open_clip: {error}. Install the project's extra `video`.") from error
    module: ModuleType = open_clip
    return module


def build_model(cls: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """A model with random weights, which are about to be replaced; the global generator's state does not change."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return cls(**settings)


@dataclass(frozen=True)
class Towers:
    """A frozen model of open_clip. `mean` and `std` normalise RGB channels, `tokenise` turns sentences into tokens."""

    name: str
    model: Any
    size: int
    width: int
    mean: RGB
    std: RGB
    device: str
    precision: Precision
    tokenise: Callable[[Sequence[str]], torch.Tensor] = tokens

    def frames(self, clips: NDArray[np.uint8]) -> torch.Tensor:
        """Clips (B, T, size, size, 3) to a vector per frame (B, T, D) in float32, not normalised; one forward pass.

        Raises EncoderError for another shape or type.
        """
        pixels = normalise(check_clips(clips, 0, self.size, self.name), self.mean, self.std, self.device)
        return self.images(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])

    def images(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised images (n, 3, size, size) to vectors (n, D) in float32, not normalised."""
        with computing(self.device, self.precision):
            vectors: torch.Tensor = self.model.encode_image(pixels).float()
        return vectors

    def sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, D) of length 1. Raises EncoderError for one that is too long or has no words."""
        if not sentences:
            return np.zeros((0, self.width), np.float32)
        batches = self.tokenise(sentences).split(BATCH)
        return np.concatenate([to_numpy(unit_length(self.tokens(batch))) for batch in batches])

    def tokens(self, ids: torch.Tensor) -> torch.Tensor:
        """Tokens (n, context length) to vectors (n, D) in float32, not normalised."""
        with computing(self.device, self.precision):
            vectors: torch.Tensor = self.model.encode_text(ids.to(self.device)).float()
        return vectors


def unit_length(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors (..., D) scaled to length 1."""
    import torch

    return torch.nn.functional.normalize(vectors, dim=-1)


def to_numpy(vectors: torch.Tensor) -> NDArray[np.float32]:
    """A tensor as an array on the CPU."""
    array: NDArray[np.float32] = vectors.cpu().numpy()
    return array
