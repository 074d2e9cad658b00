"""What a store holds, in numbers that a person asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prep.store.embedding_key import TextKey, VideoKey
from prep.store.embeddings import open_embedding
from prep.store.read import Store, StoreInfo


@dataclass(frozen=True)
class Vectors:
    """One embedding: `clips` have a vector, and so have `classes` (0: none was embedded); all of length `width`.

    `random` where the weights are; `named` is what the user called them, `video` and `text` say how vectors were made
    (None where there are none); `digests` are those of the parts.
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
    """Counts over a store. `shape` is (M, V, C); `clips_per_class` leaves out classes without clips."""

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
    embeddings: tuple[Vectors, ...] = ()


def summarise(store: Store) -> Summary:
    """Count. Raises StoreError, and KeyMismatch where an embedding's parts do not fit each other."""
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
        embeddings=tuple(_embeddings(store)),
    )


def _embeddings(store: Store) -> Iterator[Vectors]:
    for name, parts in store.embeddings.items():
        held = open_embedding(store, name)
        about = held.video_metadata or held.text_metadata
        if about is None:
            continue
        yield Vectors(
            name=name,
            encoder=about.key.encoder,
            weights=about.key.weights,
            named=about.named,
            random=about.random,
            width=held.width,
            clips=int(held.done.sum()) if held.video_metadata else 0,
            classes=held.classes,
            video=held.video_metadata.key if held.video_metadata else None,
            text=held.text_metadata.key if held.text_metadata else None,
            digests={str(part): store.manifest.embedded[str(part)].digest for part in parts},
        )
