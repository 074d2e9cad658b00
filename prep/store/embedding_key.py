"""What an embedding in a store says of itself: the key by which it may be continued and combined, and its origin."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from prep.errors import PrepError

Rows = tuple[tuple[str, str], ...]
KeyT = TypeVar("KeyT", "VideoKey", "TextKey")


class KeyMismatch(PrepError):
    """What a store holds under a name was made in another way than what is asked for; the text says in which."""


@dataclass(frozen=True)
class VideoKey:
    """All that a video's vector depends on: two with one key may stand in one array.

    `weights` is the digest of the encoder's tensors; `size` the sides of the picture in pixels; `precision` what was
    computed in, `dtype` what is stored. An imported array has 0 and "" where nobody said.
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
    """All that a class name's vector depends on; the vectors of several `prompts` are averaged."""

    encoder: str
    weights: str
    prompts: tuple[str, ...]
    precision: str
    dtype: str


@dataclass(frozen=True)
class AboutVideo:
    """The attributes of `embeddings/<name>/video`. `named` is what the user called the weights, `random` that they are.

    `bad` are (clip, reason) of the clips without a vector, `notes` (clip, remark) of oddities.
    """

    key: VideoKey
    named: str
    random: bool
    software: str
    bad: Rows = ()
    notes: Rows = ()


@dataclass(frozen=True)
class AboutText:
    """The attributes of `embeddings/<name>/text`."""

    key: TextKey
    named: str
    random: bool
    software: str


def check_same(held: KeyT, wanted: KeyT, where: str) -> None:
    """Raise KeyMismatch, naming every field that differs, unless two keys are one."""
    differing = [
        f"{field.name} is {_short(getattr(held, field.name))} there and {_short(getattr(wanted, field.name))} here"
        for field in fields(wanted)
        if getattr(held, field.name) != getattr(wanted, field.name)
    ]
    if differing:
        raise KeyMismatch(f"{where}: {'; '.join(differing)}. Keep both under another --name, or --replace it.")


def check_together(video: VideoKey, text: TextKey, where: str) -> None:
    """Raise KeyMismatch unless videos and texts went through one encoder with the same weights."""
    if (video.encoder, video.weights) != (text.encoder, text.weights):
        rule = f"videos are of {video.encoder} {video.weights[:12]}, texts of {text.encoder} {text.weights[:12]}"
        raise KeyMismatch(
            f"{where}: {rule}. One space needs one encoder: embed the other anew, or take another --name."
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:12]}..."
