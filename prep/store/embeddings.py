"""Embeddings read from a store: vectors of its videos and of its class names, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from manifests.strict import InvalidValue, build, hint
from prep.store.embedding_key import AboutText, AboutVideo, check_together
from prep.store.manifest import EMBEDDINGS, StoreError
from prep.store.read import Store

# The arrays of what an embedding is of; the first is that with the vectors.
PARTS = {"video": ("video", "done", "frames"), "text": ("text",)}
LARGEST_WIDTH = 65_536
AboutT = TypeVar("AboutT", AboutVideo, AboutText)


@dataclass(frozen=True)
class Embedded:
    """What a store holds under one name; `about_video` and `about_text` are None where that part is not there."""

    store: Store
    name: str
    about_video: AboutVideo | None
    about_text: AboutText | None

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
        """(clips,): how many frames a clip's video has, -1 where it has none or nobody counted. Raises StoreError."""
        return self._read("frames")

    @cached_property
    def text(self) -> NDArray[np.floating[Any]]:
        """(classes, D). Raises StoreError."""
        return self._read("text")

    @property
    def width(self) -> int:
        """D, as the headers say it."""
        return self.store.shape_of(f"{EMBEDDINGS}/{self.name}/{'video' if self.about_video else 'text'}")[-1]

    def _read(self, array: str) -> NDArray[Any]:
        about = self.about_text if array == "text" else self.about_video
        if about is None:
            part, command = ("class names", "embed-text") if array == "text" else ("videos", "embed-videos")
            raise StoreError(
                f"{self.store.path}: `{self.name}` has no vectors of {part}. Run `fsprep {command} --name {self.name}`."
            )
        return read_array(self.store, self.name, array)


def read_array(store: Store, name: str, array: str) -> NDArray[Any]:
    """One array of an embedding, whole. Raises StoreError where its header promises other rows than there are."""
    path, rows = f"{EMBEDDINGS}/{name}/{array}", len(store.info.classes) if array == "text" else len(store)
    shape = store.shape_of(path)
    if shape[:1] != (rows,) or len(shape) != 1 + (array in PARTS) or max(shape[1:], default=0) > LARGEST_WIDTH:
        unit = f"{name}/{'text' if array == 'text' else 'video'}"
        raise unfit(store, unit, f"has `{array}` of shape {shape}, and there are {rows} rows")
    return store.read(path)


def arrays_of(unit: str) -> tuple[str, ...]:
    """Where in a store the arrays of an embedding lie; none where such a unit cannot be.

    >>> arrays_of("xclip/text"), arrays_of("xclip/joints")
    (('embeddings/xclip/text',), ())
    """
    name, _, part = unit.partition("/")
    return tuple(f"{EMBEDDINGS}/{name}/{array}" for array in PARTS.get(part, ()))


def unfit(store: Store, unit: str, what: str) -> StoreError:
    """The error about an embedding that is not as it was kept."""
    return StoreError(
        f"{store.path}: the embedding `{unit}` {what}. Embed it again with --replace, or fetch the store."
    )


def embedded(store: Store, name: str) -> Embedded:
    """What `store` holds under `name`. Raises StoreError for an unknown one, KeyMismatch where its parts do not fit."""
    units = store.manifest.embedded
    known = sorted({unit.partition("/")[0] for unit in units})
    if name not in known:
        remedy = hint(name, known) if known else "It has none; `fsprep embed-videos` makes them."
        raise StoreError(f"{store.path}: has no embedding `{name}`. {remedy}")
    video = _about(store, name, "video", AboutVideo)
    text = _about(store, name, "text", AboutText)
    if video and text:
        check_together(video.key, text.key, f"{store.path}: {name}")
    return Embedded(store, name, video, text)


def vision_language(
    held: Embedded, video_unit: bool = False, text_unit: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """f_VL = f_v + f_t of every clip (clips, D), and which clips have one.

    f_v is the clip's video, f_t the name of its class; each as the encoder gave it, or of length 1 where asked (paper:
    cross-modal contrastive pre-training, section III: the plain sum). A clip without a video has zeros and False.
    Raises StoreError where one of the two was not embedded.
    """
    video, text = held.video.astype(np.float32), held.text.astype(np.float32)
    video, text = unit(video) if video_unit else video, unit(text) if text_unit else text
    done = held.done
    return np.where(done[:, None], video + text[held.store.label], np.float32(0)), done


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def _about(store: Store, name: str, kind: str, cls: type[AboutT]) -> AboutT | None:
    if f"{name}/{kind}" not in store.manifest.embedded:
        return None
    try:
        return build(cls, store.attributes(f"{EMBEDDINGS}/{name}/{kind}"), f"{store.path}/{EMBEDDINGS}/{name}/{kind}")
    except InvalidValue as error:
        raise StoreError(f"{error}. The store was altered, or is of another version.") from error
