"""Metadata of an embedding: its key (all settings that its vectors depend on) and its provenance."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from manifests.digest import short
from prep.errors import PrepError
from prep.store.arrays import EMBEDDED
from prep.store.manifest import EMBEDDINGS

ARRAYS = EMBEDDED
Rows = tuple[tuple[str, str], ...]
KeyT = TypeVar("KeyT", "VideoKey", "TextKey")


class KeyMismatch(PrepError):
    """A store holds vectors under this name that were made with other settings; the text lists the differences."""


@dataclass(frozen=True, order=True)
class EmbeddingPart:
    """The vectors of videos or of class names in one embedding; its text is its key in the manifest.

    >>> str(EmbeddingPart("xclip", "text")), EmbeddingPart.parse("xclip/text").kind
    ('xclip/text', 'text')
    """

    name: str
    kind: str

    @classmethod
    def parse(cls, key: str) -> EmbeddingPart:
        """The part with this key in the manifest."""
        name, _, kind = key.partition("/")
        return cls(name, kind)

    @property
    def arrays(self) -> tuple[str, ...]:
        """Paths of its arrays as the manifest lists them; none for an unknown kind.

        >>> EmbeddingPart("xclip", "text").arrays, EmbeddingPart("xclip", "joints").arrays
        (('embeddings/xclip/text',), ())
        """
        return tuple(f"{EMBEDDINGS}/{self.name}/{array}" for array in ARRAYS.get(self.kind, ()))

    def __str__(self) -> str:
        return f"{self.name}/{self.kind}" if self.kind else self.name


@dataclass(frozen=True)
class VideoKey:
    """All settings that a video's vector depends on; vectors with equal keys may share one array.

    `weights` is the digest of the encoder's tensors, `size` the side of its input frames in pixels, `precision` the
    compute precision and `dtype` the data type of stored vectors. Imported vectors have 0 and "" for unknown settings.
    """

    encoder: str
    weights: str
    frames: int
    size: int
    crop: str
    decoder: str
    precision: str
    dtype: str


@dataclass(frozen=True)
class TextKey:
    """All settings that a class name's vector depends on; vectors of several `prompts` are averaged."""

    encoder: str
    weights: str
    prompts: tuple[str, ...]
    precision: str
    dtype: str


@dataclass(frozen=True)
class VideoMetadata:
    """The attributes of `embeddings/<name>/video`.

    `named` is the user's name for the weights, `random` is True for random weights. `bad` lists (clip, reason) of clips
    without a vector, `notes` lists (clip, remark) of irregularities.
    """

    key: VideoKey
    named: str
    random: bool
    software: str
    bad: Rows = ()
    notes: Rows = ()


@dataclass(frozen=True)
class TextMetadata:
    """The attributes of `embeddings/<name>/text`; the fields are those of `VideoMetadata`."""

    key: TextKey
    named: str
    random: bool
    software: str


def check_same(stored: KeyT, wanted: KeyT, where: str) -> None:
    """Raise KeyMismatch, with every field that differs, unless two keys are equal."""
    differences = [
        f"{field.name} is {_truncated(getattr(stored, field.name))} there and "
        f"{_truncated(getattr(wanted, field.name))} here"
        for field in fields(wanted)
        if getattr(stored, field.name) != getattr(wanted, field.name)
    ]
    if differences:
        raise KeyMismatch(f"{where}: {'; '.join(differences)}. Keep both under another --name, or --replace it.")


def check_together(video: VideoKey, text: TextKey, where: str) -> None:
    """Raise KeyMismatch unless videos and class names were embedded by one encoder with the same weights."""
    if (video.encoder, video.weights) != (text.encoder, text.weights):
        rule = f"videos are of {video.encoder} {short(video.weights)}, texts of {text.encoder} {short(text.weights)}"
        raise KeyMismatch(
            f"{where}: {rule}. One space needs one encoder: embed the other anew, or take another --name."
        )


def _truncated(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:12]}..."
