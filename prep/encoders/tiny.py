"""A randomly initialised encoder for tests and the demo: fast, the same on every machine, without meaning.

The vector of a video is the mean over its frames plus a term for the changes between frames. So different videos have
different vectors, neighbouring frames similar ones, and a reversed video another one. A sentence is a bag of words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prep.encoders._computing import computing
from prep.encoders._encoder import EncoderError, Request
from prep.encoders._normalise import check_clips, normalise
from prep.tensors import weights_digest

if TYPE_CHECKING:
    import torch

NAME = "random"
SEED = 20_240_229
SIZE, PATCH, HIDDEN, WIDTH, WORDS = 32, 4, 128, 64, 4096
_PATCHES = 3 * (SIZE // PATCH) ** 2


@dataclass(frozen=True)
class Tiny:
    """The tiny encoder; see prep.encoders._encoder.Encoder."""

    tensors: Mapping[str, torch.Tensor]
    weights: str
    request: Request
    frames: int = 0
    size: int = SIZE
    width: int = WIDTH

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, 32, 32, 3) to vectors (B, 64)."""
        request = self.request
        check_clips(clips, self.frames, self.size, "tiny")
        pixels = normalise(clips, request.facts.mean, request.facts.std, request.device)
        with computing(request.device, request.precision):
            patches = pixels.unflatten(4, (-1, PATCH)).unflatten(3, (-1, PATCH)).mean(dim=(4, 6)).flatten(2)
            hidden = (patches @ self.tensors["patches"] + self.tensors["bias"]).tanh()
            frames = hidden @ self.tensors["frames"]
            changes = (frames[:, 1:] - frames[:, :-1]).tanh().sum(dim=1) / max(1, frames.shape[1] - 1)
            vectors = frames.float().mean(dim=1) + changes @ self.tensors["motion"]
        return vectors.float().cpu().numpy()

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, 64)."""
        import torch

        bags = torch.from_numpy(np.array([bag(sentence) for sentence in sentences], np.float32).reshape(-1, WORDS))
        with computing(self.request.device, self.request.precision):
            vectors = bags.to(self.request.device) @ self.tensors["words"]
        return vectors.float().cpu().numpy()


def bag(sentence: str) -> NDArray[np.float32]:
    """The relative frequencies of a sentence's words in 4096 bins; the bin is the word's sha256 modulo 4096.

    Raises EncoderError for a sentence without words.

    >>> float(bag("Drink water").sum()), int((bag("drink water") > 0).sum())
    (1.0, 2)
    """
    words = re.findall(r"\w+", sentence.lower())
    if not words:
        raise EncoderError(f"`{sentence}` holds no words; there is nothing to embed.")
    shares = np.zeros(WORDS, np.float32)
    for word in words:
        shares[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % WORDS] += 1 / len(words)
    return shares


def load(request: Request) -> Tiny:
    """The tiny encoder, initialised. Raises EncoderError for weights of any name but `random`."""
    if request.weights != NAME:
        raise EncoderError(f"`{request.weights}`: the tiny encoder has no weights but `{NAME}`. Leave --weights out.")
    tensors = _random_tensors()
    on_device = {name: tensor.to(request.device) for name, tensor in tensors.items()}
    return Tiny(on_device, weights_digest(tensors.items()), request)


def _random_tensors() -> dict[str, torch.Tensor]:
    """Normally distributed numbers, each matrix scaled so that its output has about the size of its input."""
    import torch

    rng = np.random.default_rng(SEED)
    shapes = {
        "patches": (_PATCHES, HIDDEN),
        "bias": (1, HIDDEN),
        "frames": (HIDDEN, WIDTH),
        "motion": (WIDTH, WIDTH),
        "words": (WORDS, WIDTH),
    }
    sizes = {name: rows**-0.5 for name, (rows, _) in shapes.items()} | {"bias": 0.1, "words": 1.0}
    return {
        name: torch.from_numpy((rng.standard_normal(shape) * sizes[name]).astype(np.float32))
        for name, shape in shapes.items()
    }
