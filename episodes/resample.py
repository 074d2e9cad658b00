"""Temporal sampling: from a clip of L frames to T frame indices, computed on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.counter import randint, split
from episodes.episode import EpisodeError
from manifests.strict import hint


@dataclass(frozen=True)
class Rule:
    """One way of choosing T frames: `index` as `sample` describes it.

    `per_clip`: random frames depend on (seed, clip) alone, so a clip looks the same in every episode; otherwise each
    position in each episode draws afresh. `rearrange(joints, length)` changes the chosen frames.
    """

    index: Callable[[Tensor, Tensor, int, bool], Tensor]
    per_clip: bool = False
    rearrange: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Sampling:
    """How a clip of any length becomes `frames` frames, by one of RULES.

    Raises EpisodeError for an unknown rule or fewer than one frame.
    """

    frames: int = 30
    rule: str = "segments"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise EpisodeError(f"`{self.rule}` is not a sampling rule. {hint(self.rule, RULES)}")
        if self.frames < 1:
            raise EpisodeError(f"frames is {self.frames}: a clip needs at least 1.")


def sample(
    length: Int[Tensor, "X"], key: Int[Tensor, "X"], sampling: Sampling, train: bool = False
) -> Int[Tensor, "X T"]:
    """The frames to take of clips of `length` (>= 1) frames: 0..length-1 in time order, or -1 for a frame of zeros."""
    return RULES[sampling.rule].index(length, key, sampling.frames, train)


def segments(length: Int[Tensor, "X"], key: Int[Tensor, "X"], frames: int, train: bool) -> Int[Tensor, "X T"]:
    """One frame from each of T equal parts of the clip: random in training, else the centre; short clips repeat frames.

    TSN (Wang et al., 2016), with parts that cover the clip to its last frame: part j is [j L / T, (j + 1) L / T).

    >>> length, key = torch.tensor([9, 2]), torch.tensor([0, 0])
    >>> segments(length, key, 3, train=False).tolist()
    [[1, 4, 7], [0, 1, 1]]
    """
    part = torch.arange(frames, device=length.device)
    # In float64 a random 32-bit fraction cannot round the last part up to frame L.
    inside = split(key[:, None], part).double() * 2.0**-32 if train else 0.5
    return ((part.double() + inside) * length[:, None] / frames).long()


def linspace(length: Int[Tensor, "X"], key: Int[Tensor, "X"], frames: int, train: bool) -> Int[Tensor, "X T"]:
    """int(linspace(0, L - 1, T)) with numpy's rounding: the test rule of CTR-GCN's NW-UCLA feeder.

    >>> linspace(torch.tensor([5, 2]), torch.tensor([0, 0]), 3, train=False).tolist()
    [[0, 2, 4], [0, 0, 1]]
    """
    last = (length - 1)[:, None]
    part = torch.arange(frames, device=length.device)
    place = (part.double() * (last.double() / max(frames - 1, 1))).long()
    return torch.where((part == frames - 1) & (part > 0), last, place)


def sorted_random(length: Int[Tensor, "X"], key: Int[Tensor, "X"], frames: int, train: bool) -> Int[Tensor, "X T"]:
    """T random frames with repetition, in time order: the training rule of CTR-GCN's NW-UCLA feeder."""
    part = torch.arange(frames, device=length.device)
    return randint(split(key[:, None], part), length[:, None]).sort(dim=1).values


def dastm_official(length: Int[Tensor, "X"], key: Int[Tensor, "X"], frames: int, train: bool) -> Int[Tensor, "X T"]:
    """Frame j is random in [j s, (j + 1) s - 1], s = L // T; a clip shorter than T is padded with zeros.

    The loader of NingMa-AI/DASTM (`nturgbd_dataset.py`), for training and testing alike: frames are drawn once per
    clip, the last L - s T frames are never used, and time and channels are mixed (`scramble`). Only for comparison with
    numbers obtained from that code.

    >>> dastm_official(torch.tensor([3, 2]), torch.tensor([0, 0]), 3, train=True).tolist()
    [[0, 1, 2], [0, 1, -1]]
    """
    part = torch.arange(frames, device=length.device)
    step = (length // frames)[:, None]
    drawn = part * step + randint(split(key[:, None], part), step)
    stored = torch.where(part < length[:, None], part, -1)
    return torch.where(step > 0, drawn, stored)


def scramble(joints: Float[Tensor, "X M T V C"], length: Int[Tensor, "X"]) -> Float[Tensor, "X M T V C"]:
    """The axis mix-up of DASTM's loader, for clips of at least T frames; shorter ones are unchanged.

    Mixed indexing (`x[i, :, idx]`) puts time first, (T, C, V, M), and the reshape that follows reads the same numbers
    as (C, T, V, M): every output frame holds pieces of several frames and channels.
    """
    X, M, T, V, C = joints.shape
    misread = joints.permute(0, 2, 4, 3, 1).reshape(X, C, T, V, M).permute(0, 4, 2, 3, 1)
    return torch.where((length >= T)[:, None, None, None, None], misread, joints)


RULES = {
    "segments": Rule(segments),
    "linspace": Rule(linspace),
    "sorted_random": Rule(sorted_random),
    "dastm_official": Rule(dastm_official, per_clip=True, rearrange=scramble),
}
