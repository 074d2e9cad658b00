"""Temporal sampling: from a clip of L frames to T frame indices, computed on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.counter import randint, split
from episodes.options import EpisodeError
from manifests.strict import hint


@dataclass(frozen=True)
class Rule:
    """One way of choosing T frames: `index` as `sample` describes it.

    `per_clip`: random frames depend on (seed, clip) alone, so a clip looks the same in every episode; otherwise each
    position in each episode draws afresh. `deterministic`: without training, the frames depend on (seed, clip) alone.
    `at(length, frames, inside)`: the frames at a fixed position inside each segment, None where the rule has no
    segments. `rearrange(joints, length)` changes the chosen frames.
    """

    index: Callable[[Tensor, Tensor, int, bool], Tensor]
    per_clip: bool = False
    deterministic: bool = True
    at: Callable[[Tensor, int, float], Tensor] | None = None
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
    if not train:
        return inside_segments(length, frames, 0.5)
    part = torch.arange(frames, device=length.device)
    return inside_segments(length, frames, split(key[:, None], part).double() * 2.0**-32)


def inside_segments(length: Int[Tensor, "X"], frames: int, inside: float | Float[Tensor, "X T"]) -> Int[Tensor, "X T"]:
    """The frame at `inside` (0 <= inside < 1) of each of T equal parts of the clip: floor((j + inside) L / T).

    >>> inside_segments(torch.tensor([9, 2]), 3, 0.25).tolist()
    [[0, 3, 6], [0, 0, 1]]
    """
    part = torch.arange(frames, device=length.device)
    # In float64 a random 32-bit fraction cannot round the last part up to frame L.
    return ((part.double() + inside) * length[:, None] / frames).long()


def temporal_sample(
    length: Int[Tensor, "X"], key: Int[Tensor, "X"], sampling: Sampling, sample: int = 0, samples: int = 1
) -> Int[Tensor, "X T"]:
    """Temporal sample r of R of a clip in evaluation: the frames at (r + 0.5) / R inside each segment.

    R = 1 gives what `sample` gives without training. Raises EpisodeError for a rule that is random without training,
    for R > 1 where the rule has no segments, and for r outside 0..R-1.
    """
    rule = RULES[sampling.rule]
    if not rule.deterministic:
        raise EpisodeError(
            f"sampling rule `{sampling.rule}` draws random frames in evaluation too, so a clip has no fixed tensors. "
            "Use `segments` or `linspace` for testing."
        )
    if not 0 <= sample < samples:
        raise EpisodeError(f"sample is {sample} of {samples}: it must be 0..samples-1, and samples at least 1.")
    if samples == 1:
        return rule.index(length, key, sampling.frames, False)
    if rule.at is None:
        raise EpisodeError(
            f"samples is {samples}, but sampling rule `{sampling.rule}` gives one temporal sample of a clip. "
            "Use `segments` for testing, or samples = 1."
        )
    return rule.at(length, sampling.frames, (sample + 0.5) / samples)


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
    "segments": Rule(segments, at=inside_segments),
    "linspace": Rule(linspace),
    "sorted_random": Rule(sorted_random, deterministic=False),
    "dastm_official": Rule(dastm_official, per_clip=True, rearrange=scramble),
}
