"""A store in numbers: clips, frames, classes and embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.store.embedding_key import TextKey, VideoKey
from prep.store.embeddings import open_embedding
from prep.store.info import StoreInfo
from prep.store.read import Store


@dataclass(frozen=True)
class Vectors:
    """One embedding: vectors of length `width` for `clips` clips and `classes` class names (0: not embedded).

    `named` is the user's name for the weights and `weights` their digest ("" if unknown). `video` and `text` are the
    settings of each part (None if absent), `digests` the digests of the parts.
    """

    name: str
    encoder: str
    weights: str
    named: str
    random: bool
    width: int
    clips: int
    classes: int
    video: VideoKey | None
    text: TextKey | None
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Summary:
    """Counts over a store. `shape` is (M, V, C); `clips_per_class` lists only classes with clips.

    `subjects` and `cameras` are those that file names give, 0 if they give none.
    """

    path: str
    digest: str
    info: StoreInfo
    clips: int
    frames: int
    shape: tuple[int, int, int]
    bytes: int
    clips_per_class: tuple[tuple[str, int], ...]
    several_bodies: int
    without_frames: int
    subjects: int
    cameras: int
    embeddings: tuple[Vectors, ...] = ()


def summarise(store: Store) -> Summary:
    """Count. Raises StoreError for a damaged store, KeyMismatch if the parts of an embedding do not fit together."""
    counts = [(name, int((store.label == label).sum())) for label, name in enumerate(store.info.classes)]
    return Summary(
        path=store.path,
        digest=store.digest,
        info=store.info,
        clips=len(store),
        frames=store.frames,
        shape=store.shape,
        bytes=sum(file.bytes for file in store.files.values()),
        clips_per_class=tuple((name, count) for name, count in counts if count),
        several_bodies=int((store.bodies > 1).sum()),
        without_frames=int((store.offsets[1:] == store.offsets[:-1]).sum()),
        subjects=_known(store.subject),
        cameras=_known(store.camera),
        embeddings=tuple(_embeddings(store)),
    )


def _known(numbers: NDArray[np.integer[Any]]) -> int:
    return len(np.unique(numbers[numbers >= 0]))


def _embeddings(store: Store) -> Iterator[Vectors]:
    for name, parts in store.embeddings.items():
        embedding = open_embedding(store, name)
        metadata = embedding.video_metadata or embedding.text_metadata
        if metadata is None:
            continue
        yield Vectors(
            name=name,
            encoder=metadata.key.encoder,
            weights=metadata.key.weights,
            named=metadata.named,
            random=metadata.random,
            width=embedding.width,
            clips=int(embedding.done.sum()) if embedding.video_metadata else 0,
            classes=embedding.classes,
            video=embedding.video_metadata.key if embedding.video_metadata else None,
            text=embedding.text_metadata.key if embedding.text_metadata else None,
            digests={str(part): store.manifest.embedded[str(part)].digest for part in parts},
        )
