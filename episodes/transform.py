"""ClipTransform: clips of a pool as the tensors that a network is given."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.augment import Augment, augment, swaps
from episodes.counter import Stream, fold_in, split
from episodes.episode import EpisodeError
from episodes.pool import Pool
from episodes.resample import RULES, Sampling, sample
from episodes.streams import STREAMS, parents, streams
from manifests.layout import Layout
from manifests.strict import hint


class ClipTransform:
    """Temporal sampling, augmentation (in training only) and streams, applied to clips of one pool.

    `streams` are joined along the channels. Random choices depend on `seed` and the keys that callers give.
    Raises EpisodeError for an unknown stream, or when options, layout and pool do not fit together.
    """

    def __init__(
        self,
        pool: Pool,
        layout: Layout,
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
        streams: tuple[str, ...] = ("joint",),
        augment: Augment = Augment(),  # noqa: B008 - frozen
        seed: int = 0,
        train: bool = False,
    ) -> None:
        V = pool.joints.shape[2]
        if len(layout.joints) != V:
            raise EpisodeError(f"Layout {layout.name} has {len(layout.joints)} joints and the pool's clips have {V}.")
        for name in streams or ("",):
            if name not in STREAMS:
                raise EpisodeError(f"`{name}` is not a stream. {hint(name, STREAMS)}")
        augment.check(layout.coordinates)
        self.pool, self.layout, self.sampling, self.streams = pool, layout, sampling, streams
        self.augment, self.seed, self.train = augment, seed, train
        self._rule = RULES[sampling.rule]
        self._per_clip = fold_in(seed, Stream.FROZEN)
        self._parent = torch.tensor(parents(layout.bones, V), device=pool.device)
        self._swap = torch.tensor(swaps(layout.mirror, V), device=pool.device)

    def clips(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Float[Tensor, "X M T V C"]:
        """The clips at these positions in the pool; their random choices are functions of their keys."""
        return self.gather(self.rows(clip, key), clip, key)

    def rows(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Int[Tensor, "X M T"]:
        """The first half of `clips`: which rows of the pool to read. Small, so many clips can be done at once."""
        per_clip = self._rule.per_clip
        word = split(self._per_clip, self.pool.clip_id[clip]) if per_clip else split(key, Stream.FRAMES)
        return self.pool.rows(clip, sample(self.pool.length[clip], word, self.sampling, self.train))

    def gather(
        self, row: Int[Tensor, "X M T"], clip: Int[Tensor, "X"], key: Int[Tensor, "X"]
    ) -> Float[Tensor, "X M T V C"]:
        """The second half: the joints in these rows, augmented, as streams."""
        joints = self.pool.gather(row)
        if self._rule.rearrange is not None:
            joints = self._rule.rearrange(joints, self.pool.length[clip])
        if self.train:
            joints = augment(joints, key, self.augment, self.layout.coordinates, self._swap)
        return streams(joints, self.streams, self._parent)
