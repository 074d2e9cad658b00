"""An encoder with RANDOM weights, for tests and the demo: quick, the same everywhere, and meaning nothing.

A video's vector is the mean over its frames plus a term of what changes from frame to frame, so that other videos have
other vectors, neighbouring frames similar ones, and a film run backwards another one. A sentence is a bag of words.
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
from prep.encoders._encoder import EncoderError, Request, weights_digest
from prep.encoders._normalise import checked, normalised

if TYPE_CHECKING:
    import torch

NAME = "random"
SEED = 20_240_229
SIZE, PATCH, HIDDEN, WIDTH, WORDS = 32, 4, 128, 64, 4096
_PATCHES = 3 * (SIZE // PATCH) ** 2


@dataclass(frozen=True)
class Tiny:
    """The tiny encoder; see prep.encoders._encoder.Encoder."""

    held: Mapping[str, torch.Tensor]
    weights: str
    request: Request
    frames: int = 0
    size: int = SIZE
    width: int = WIDTH

    def videos(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, T, 32, 32, 3) to vectors (B, 64)."""
        request = self.request
        checked(pictures, self.frames, self.size, "tiny")
        pixels = normalised(pictures, request.facts.mean, request.facts.std, request.device)
        with computing(request.device, request.precision):
            patches = pixels.unflatten(4, (-1, PATCH)).unflatten(3, (-1, PATCH)).mean(dim=(4, 6)).flatten(2)
            seen = (patches @ self.held["patches"] + self.held["bias"]).tanh() @ self.held["frames"]
            before, after = seen[:, :-1], seen[:, 1:]
            moved = (after - before).tanh().sum(dim=1) / max(1, seen.shape[1] - 1)
            vectors = seen.float().mean(dim=1) + moved @ self.held["motion"]
        return vectors.float().cpu().numpy()

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, 64)."""
        import torch

        bags = torch.from_numpy(np.array([bag(sentence) for sentence in sentences], np.float32).reshape(-1, WORDS))
        with computing(self.request.device, self.request.precision):
            vectors = bags.to(self.request.device) @ self.held["words"]
        return vectors.float().cpu().numpy()


def bag(sentence: str) -> NDArray[np.float32]:
    """The words of a sentence as shares of 4096 places; a word's place is a part of its sha256. Raises EncoderError.

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
    """The tiny encoder, drawn anew. Raises EncoderError for weights of any name but `random`."""
    if request.weights != NAME:
        raise EncoderError(f"`{request.weights}`: the tiny encoder has no weights but `{NAME}`. Leave --weights out.")
    held = _drawn()
    there = {name: each.to(request.device) for name, each in held.items()}
    return Tiny(there, weights_digest(held.items()), request)


def _drawn() -> dict[str, torch.Tensor]:
    """Normal numbers, each matrix scaled so that its products have about the size of what it is given."""
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
