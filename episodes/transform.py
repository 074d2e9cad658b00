"""ClipTransform: clips of a pool as the tensors that a network is given."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from episodes.augment import augment, flips, mirror, swaps
from episodes.counter import Stream, fold_in, split
from episodes.options import Augment, EpisodeError
from episodes.pool import Pool
from episodes.recorded import Recorded
from episodes.resample import RULES, Sampling, sample, temporal_sample
from episodes.streams import RECORDED, STREAMS, parents, streams
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
        V = pool.joints.shape[1]
        if len(layout.joints) != V:
            raise EpisodeError(f"Layout {layout.name} has {len(layout.joints)} joints and the pool's clips have {V}.")
        for name in streams or ("",):
            if name not in STREAMS:
                raise EpisodeError(f"`{name}` is not a stream. {hint(name, STREAMS)}")
        augment.check(layout.axes)
        self.pool, self.layout, self.sampling, self.streams = pool, layout, sampling, streams
        self.augment, self.seed, self.train = augment, seed, train
        self._rule = RULES[sampling.rule]
        self._per_clip = fold_in(seed, Stream.FROZEN)
        self._parent = torch.tensor(parents(layout.bones, V), device=pool.device)
        self._swap = torch.tensor(swaps(layout.mirror, V), device=pool.device)
        self._needs_recorded = not RECORDED.isdisjoint(streams)

    def clips(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Float[Tensor, "X M T V _"]:
        """The clips at these positions in the pool; their random choices are functions of their keys."""
        return self.gather(self.rows(clip, key), clip, key)

    def rows(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Int[Tensor, "X M T"]:
        """The first half of `clips`: which rows of the pool to read. Small, so many clips can be done at once."""
        word = self._clip_key(clip) if self._rule.per_clip else split(key, Stream.FRAMES)
        return self.pool.rows(clip, sample(self.pool.length[clip], word, self.sampling, self.train))

    def gather(
        self, row: Int[Tensor, "X M T"], clip: Int[Tensor, "X"], key: Int[Tensor, "X"]
    ) -> Float[Tensor, "X M T V _"]:
        """The second half: the joints in these rows, augmented, as streams."""
        return self.finish(self.pool.gather(row), row, clip, key)

    def finish(
        self,
        joints: Float[Tensor, "X M T V C"],
        row: Int[Tensor, "X M T"],
        clip: Int[Tensor, "X"],
        key: Int[Tensor, "X"],
    ) -> Float[Tensor, "X M T V _"]:
        """The second half without the copy: `joints` are those in the rows `row`.

        Augmentation turns and scales the preprocessed joints only; mirroring holds for recorded coordinates too.
        """
        flip = flips(key, self.augment) if self.train and self.augment.mirror > 0 else None
        recorded = self._recorded(joints, row, clip, flip)
        joints = self._rearranged(joints, clip)
        if self.train:
            joints = augment(joints, key, self.augment, self.layout.axes, self._swap)
        return streams(joints, self.streams, self._parent, recorded)

    @property
    def deterministic(self) -> bool:
        """Whether the evaluation tensors of a clip depend on the clip alone, so that `view` can be used."""
        return self._rule.deterministic

    def view(
        self, clip: Int[Tensor, "X"], mirrored: bool = False, sample: int = 0, samples: int = 1
    ) -> Float[Tensor, "X M T V _"]:
        """The evaluation tensors of clips, whatever `train` is: without augmentation, at temporal sample r of R.

        `mirrored` swaps left and right joints and negates x, as `Augment.mirror` does. For R = `samples` above 1 the
        frames lie at (r + 0.5) / R inside each segment. Raises EpisodeError where the rule is random in evaluation or
        has no further samples (see `resample.temporal_sample`), and for `mirrored` without mirror pairs in the layout.
        """
        if mirrored and not self.layout.mirror:
            raise EpisodeError(
                f"Layout {self.layout.name} has no mirror pairs, so its clips cannot be mirrored. "
                "Give `mirror` in the layout, or test without mirroring."
            )
        frame = temporal_sample(self.pool.length[clip], self._clip_key(clip), self.sampling, sample, samples)
        row = self.pool.rows(clip, frame)
        taken = self.pool.gather(row)
        flip = torch.ones_like(clip, dtype=torch.bool) if mirrored else None
        recorded, joints = self._recorded(taken, row, clip, flip), self._rearranged(taken, clip)
        if mirrored:
            joints = mirror(joints, self._swap)
        return streams(joints, self.streams, self._parent, recorded)

    def _clip_key(self, clip: Int[Tensor, "X"]) -> Int[Tensor, "X"]:
        return split(self._per_clip, self.pool.clip_id[clip])

    def _rearranged(self, joints: Float[Tensor, "X M T V C"], clip: Int[Tensor, "X"]) -> Float[Tensor, "X M T V C"]:
        return joints if self._rule.rearrange is None else self._rule.rearrange(joints, self.pool.length[clip])

    def _recorded(
        self,
        joints: Float[Tensor, "X M T V C"],
        row: Int[Tensor, "X M T"],
        clip: Int[Tensor, "X"],
        flip: Bool[Tensor, "X"] | None,
    ) -> Recorded | None:
        """The clips in recorded coordinates, mirrored where `flip` is True; None where no stream needs them."""
        if not self._needs_recorded:
            return None
        there = Recorded.of(joints, self.pool.to_recorded[clip], self.pool.origins(clip, row), self.layout)
        return there if flip is None else there.mirrored(self._swap, flip)
