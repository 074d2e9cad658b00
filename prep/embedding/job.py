"""What an embedding of videos or class names is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.encoders._encoder import Encoder, EncoderError, Facts, Precision
from prep.store.embedding_key import AboutText, AboutVideo, Rows, TextKey, VideoKey
from prep.store.info import software
from prep.store.read import Store
from prep.video.request import Wanted

Stored = Literal["float32", "float16"]


@dataclass(frozen=True)
class Model:
    """A loaded encoder with its facts, the weights as the user named them, and the precision it computes in."""

    facts: Facts
    encoder: Encoder
    named: str
    precision: Precision


@dataclass(frozen=True)
class VideoJob:
    """Embed the videos below `videos` of the clips of `store`, under `name`; `batch` clips go through at once."""

    store: Store
    videos: Path
    model: Model
    wanted: Wanted
    name: str
    batch: int
    stored: Stored = "float32"
    replace: bool = False

    @property
    def key(self) -> VideoKey:
        """All that the vectors depend on."""
        return VideoKey(
            encoder=self.model.facts.name,
            weights=self.model.encoder.weights,
            frames=self.wanted.frames,
            size=self.wanted.size,
            crop=self.wanted.crop,
            decoder=self.wanted.decoder,
            precision=self.model.precision,
            dtype=self.stored,
        )

    def about(self, bad: Rows, notes: Rows) -> AboutVideo:
        """What the array will say of itself."""
        return AboutVideo(self.key, self.model.named, self.model.facts.random, software(), bad, notes)


@dataclass(frozen=True)
class TextJob:
    """Embed the class names of `store`, in the sentences that `prompts` make of them, under `name`."""

    store: Store
    model: Model
    prompts: tuple[str, ...]
    name: str
    stored: Stored = "float32"
    replace: bool = False

    @property
    def key(self) -> TextKey:
        """All that the vectors depend on."""
        encoder = self.model.encoder
        return TextKey(self.model.facts.name, encoder.weights, self.prompts, self.model.precision, self.stored)

    def about(self) -> AboutText:
        """What the array will say of itself."""
        return AboutText(self.key, self.model.named, self.model.facts.random, software())


def stored(vectors: NDArray[np.float32], kind: Stored) -> NDArray[Any]:
    """Vectors as they are kept. float16 reaches to 65,504; what is larger would become infinite.

    Raises EncoderError for numbers that are not finite.
    """
    kept = vectors.astype(kind)
    if not np.isfinite(kept).all():
        raise EncoderError(f"a vector is not finite as {kind}. Take --stored float32, or other weights or --precision.")
    return kept
