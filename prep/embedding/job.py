"""Jobs: which videos or class names to embed, with which encoder, into which store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.encoders._encoder import Encoder, EncoderError, Facts, Precision
from prep.store.embedding_key import Rows, TextKey, TextMetadata, VideoKey, VideoMetadata
from prep.store.info import software
from prep.store.read import Store
from prep.video.request import FrameRequest

StoredType = Literal["float32", "float16"]


@dataclass(frozen=True)
class LoadedEncoder:
    """A loaded encoder with its facts, the user's name for its weights, and its compute precision."""

    facts: Facts
    encoder: Encoder
    weights_name: str
    precision: Precision


@dataclass(frozen=True)
class VideoJob:
    """Embed the videos of the clips of `store`, found below the folder `videos`, as the embedding `name`.

    `batch` is the number of clips that are encoded together, `stored` the data type of stored vectors. With `replace`
    all vectors of videos under this name are computed again; otherwise only the missing ones.
    """

    store: Store
    videos: Path
    loaded: LoadedEncoder
    wanted: FrameRequest
    name: str
    batch: int
    stored: StoredType = "float32"
    replace: bool = False

    @property
    def key(self) -> VideoKey:
        """All settings that the vectors depend on."""
        return VideoKey(
            encoder=self.loaded.facts.name,
            weights=self.loaded.encoder.weights,
            frames=self.wanted.frames,
            size=self.wanted.size,
            crop=self.wanted.crop,
            decoder=self.wanted.decoder,
            precision=self.loaded.precision,
            dtype=self.stored,
        )

    def metadata(self, bad: Rows, notes: Rows) -> VideoMetadata:
        """The attributes of the stored vectors."""
        return VideoMetadata(self.key, self.loaded.weights_name, self.loaded.facts.random, software(), bad, notes)


@dataclass(frozen=True)
class TextJob:
    """Embed the class names of `store`, as sentences made with `prompts`, as the embedding `name`."""

    store: Store
    loaded: LoadedEncoder
    prompts: tuple[str, ...]
    name: str
    stored: StoredType = "float32"
    replace: bool = False

    @property
    def key(self) -> TextKey:
        """All settings that the vectors depend on."""
        weights = self.loaded.encoder.weights
        return TextKey(self.loaded.facts.name, weights, self.prompts, self.loaded.precision, self.stored)

    def metadata(self) -> TextMetadata:
        """The attributes of the stored vectors."""
        return TextMetadata(self.key, self.loaded.weights_name, self.loaded.facts.random, software())


def as_stored(vectors: NDArray[np.float32], dtype: StoredType) -> NDArray[Any]:
    """Convert vectors to the data type in which they are stored. The largest float16 is 65,504.

    Raises EncoderError for numbers that are not finite in this type.
    """
    converted = vectors.astype(dtype)
    if not np.isfinite(converted).all():
        raise EncoderError(
            f"a vector is not finite as {dtype}. Take --stored float32, or other weights or --precision."
        )
    return converted
