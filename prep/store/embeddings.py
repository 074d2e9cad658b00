"""Reading embeddings from a store: vectors of its videos and of its class names, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from manifests.strict import InvalidValue, build, hint
from prep.store.embedding_key import EmbeddingPart, TextMetadata, VideoMetadata, check_together
from prep.store.manifest import EMBEDDINGS, StoreError, array_digest, embedding_digest
from prep.store.read import Store

MetadataT = TypeVar("MetadataT", VideoMetadata, TextMetadata)


@dataclass(frozen=True)
class Embedding:
    """One embedding of a store; `video_metadata` and `text_metadata` are None where that part is absent."""

    store: Store
    name: str
    video_metadata: VideoMetadata | None
    text_metadata: TextMetadata | None

    @cached_property
    def video(self) -> NDArray[np.floating[Any]]:
        """(clips, D); rows of clips without a vector are zeros. Raises StoreError."""
        return self._read("video")

    @cached_property
    def done(self) -> NDArray[np.bool_]:
        """(clips,): whether a clip has a vector. Raises StoreError."""
        return self._read("done")

    @cached_property
    def frames(self) -> NDArray[np.int32]:
        """(clips,): frames of each clip's video, -1 where they were not counted. Raises StoreError."""
        return self._read("frames")

    @cached_property
    def text(self) -> NDArray[np.floating[Any]]:
        """(classes, D). Raises StoreError."""
        return self._read("text")

    @property
    def width(self) -> int:
        """D, from the array's header."""
        return shape_of(self.store, self.name, "video" if self.video_metadata else "text")[-1]

    @property
    def classes(self) -> int:
        """Class names with a vector, from the array's header; 0 without a text part."""
        return shape_of(self.store, self.name, "text")[0] if self.text_metadata else 0

    def _read(self, array: str) -> NDArray[Any]:
        if (self.text_metadata if array == "text" else self.video_metadata) is None:
            content, command = ("class names", "embed-text") if array == "text" else ("videos", "embed-videos")
            raise StoreError(
                f"{self.store.path}: `{self.name}` has no vectors of {content}. "
                f"Run `fsprep {command} --name {self.name}`."
            )
        return read_array(self.store, self.name, array)


def open_embedding(store: Store, name: str) -> Embedding:
    """The embedding `name` of a store.

    Raises StoreError for an unknown name and for metadata that do not give their digest, KeyMismatch if the vectors of
    videos and of class names do not fit together.
    """
    names = list(store.embeddings)
    if name not in names:
        known = hint(name, names) if names else "It has none."
        remedy = f"`fsprep embed-videos --name {name}` and `fsprep embed-text --name {name}` make one."
        raise StoreError(f"{store.path}: has no embedding `{name}`. {known} {remedy}")
    for part in store.embeddings[name]:
        _check_entry(store, part)
    video = _metadata(store, EmbeddingPart(name, "video"), VideoMetadata)
    text = _metadata(store, EmbeddingPart(name, "text"), TextMetadata)
    if video and text:
        check_together(video.key, text.key, f"{store.path}: {name}")
    return Embedding(store, name, video, text)


def read_array(store: Store, name: str, array: str) -> NDArray[Any]:
    """One array of an embedding, whole. Raises StoreError unless it gives its digest and every number is finite."""
    part = EmbeddingPart(name, "text" if array == "text" else "video")
    values = store.read(_folder(store, name, array))
    if array_digest(values) != store.manifest.embedded[str(part)].arrays.get(f"{EMBEDDINGS}/{name}/{array}"):
        raise unfit(store, part, f"has an array `{array}` that differs from its digest")
    if not np.isfinite(values).all():
        raise unfit(store, part, "holds values that are not finite")
    return values


def shape_of(store: Store, name: str, array: str) -> tuple[int, ...]:
    """The shape of one array of an embedding, from its header. Raises StoreError."""
    return store.shape_of(_folder(store, name, array))


def _check_entry(store: Store, part: EmbeddingPart) -> None:
    entry = store.manifest.embedded[str(part)]
    attributes = store.attributes(_folder(store, part.name, part.kind))
    if embedding_digest(attributes, entry.arrays, store.digest) != entry.digest:
        raise unfit(store, part, "differs from its digest, or belongs to other clips")


def unfit(store: Store, part: EmbeddingPart, rule: str) -> StoreError:
    """The error for an embedding that is not as it was written."""
    return StoreError(
        f"{store.path}: the embedding `{part}` {rule}. Embed it again with --replace, or fetch the store."
    )


def vision_language(
    embedding: Embedding, normalise_video: bool = False, normalise_text: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """f_VL = f_v + f_t of every clip (clips, D), and which clips have one.

    f_v is the vector of the clip's video, f_t that of its class name, each as the encoder gave it or scaled to length 1
    (paper: cross-modal contrastive pre-training, section III: the plain sum). Rows of clips without a video are zeros.
    Raises StoreError where videos or class names are not embedded.
    """
    video, text = embedding.video.astype(np.float32), embedding.text.astype(np.float32)
    video = unit_length(video) if normalise_video else video
    text = unit_length(text) if normalise_text else text
    done = embedding.done
    return np.where(done[:, None], video + text[embedding.store.label], np.float32(0)), done


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; a row of zeros stays.

    >>> unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def _metadata(store: Store, part: EmbeddingPart, cls: type[MetadataT]) -> MetadataT | None:
    if part not in store.embeddings[part.name]:
        return None
    try:
        attributes = store.attributes(_folder(store, part.name, part.kind))
        return build(cls, attributes, f"{store.path}/{EMBEDDINGS}/{part}")
    except InvalidValue as error:
        raise StoreError(f"{error}. The store was altered, or is of another version.") from error


def _folder(store: Store, name: str, array: str) -> str:
    return store.manifest.folder_of(f"{EMBEDDINGS}/{name}/{array}")
