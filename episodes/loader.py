"""Loaders: sampler + transform = one Episode or Batch after another, on the pool's device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from episodes.cameras import Cameras
from episodes.counter import Stream, fold_in, split
from episodes.draw import Draw
from episodes.episode import Batch, Episode
from episodes.options import EpisodeError
from episodes.order import check_classes, of_classes, shuffled
from episodes.sampler import EpisodeSampler
from episodes.transform import ClipTransform


class EpisodeLoader:
    """Episodes from a sampler, through a transform; `at(step)` is a function of the step alone.

    Iterating gives every step once. Steps are drawn a block at a time and the last block is kept, so going forward
    costs little more than the copy out of the pool.
    """

    def __init__(self, transform: ClipTransform, sampler: EpisodeSampler) -> None:
        self.transform, self.sampler = transform, sampler
        self._plan: _Plan | None = None

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Episode]:
        return (self.at(step) for step in range(len(self)))

    def at(self, step: int) -> Episode:
        """The episodes of one step, B = `sampler.batch` or what is left. Raises IndexError beyond the last step."""
        if self._plan is None or step not in self._plan.steps:
            self._plan = self._draw_block(step)
        plan, batch = self._plan, self.sampler.batch
        first = (step - plan.steps.start) * batch
        here = slice(first, first + batch)
        support, query = plan.draw.support[here], plan.draw.query[here]
        clips = support[0].numel() + query.shape[1]
        pile = slice(first * clips, (first + batch) * clips)
        joints = self._joints(plan, pile)
        first_half, second_half = joints.split([support.numel(), query.numel()])
        return Episode(
            support=first_half.view(*support.shape, *joints.shape[1:]),
            query=second_half.view(*query.shape, *joints.shape[1:]),
            answer=plan.draw.answer[here],
            class_id=plan.draw.class_id[here],
            support_clip=support,
            query_clip=query,
        )

    def _joints(self, plan: _Plan, pile: slice) -> Float[Tensor, "X M T V _"]:
        row, clip, key = plan.row[pile], plan.clip[pile], plan.key[pile]
        if plan.joints is None:
            return self.transform.gather(row, clip, key)
        return self.transform.finish(plan.joints[pile], row, clip, key)

    def _draw_block(self, step: int) -> _Plan:
        if not 0 <= step < len(self):
            raise IndexError(f"Step {step} does not exist: there are {len(self)}, counted from 0.")
        start = step - step % self.sampler.block
        steps = range(start, min(start + self.sampler.block, len(self)))
        draw = self.sampler.at(start, len(steps))
        clip = torch.cat([draw.support.flatten(1), draw.query], dim=1)
        position = torch.arange(clip.shape[1], device=clip.device)
        episode = split(fold_in(self.transform.seed, Stream.PLACES), draw.episode)[:, None]
        # Step by step, support before query: sorted so, both parts of every step are one piece of memory.
        step_of = torch.arange(len(clip), device=clip.device)[:, None] // self.sampler.batch
        order = (2 * step_of + (position >= draw.support[0].numel())).flatten().argsort(stable=True)
        clip, key = clip.flatten()[order], split(episode, position).flatten()[order]
        row, pool = self.transform.rows(clip, key), self.transform.pool
        # From the host a block is sent in one piece: the host waits for the device once per block, not once per step.
        return _Plan(steps, draw, clip, key, row, pool.gather(row) if pool.on_host else None)


@dataclass(frozen=True)
class _Plan:
    """A block of steps, drawn but not gathered: clips step by step, support before query.

    `joints` are those in the rows `row` where the pool's joints lie on the host, else None.
    """

    steps: range
    draw: Draw
    clip: Int[Tensor, "X"]
    key: Int[Tensor, "X"]
    row: Int[Tensor, "X M T"]
    joints: Float[Tensor, "X M T V C"] | None


class BatchLoader:
    """Batches of `size` clips for `epochs` passes over the pool, through one transform per view.

    The order of clips is a function of (seed, epoch), a view of (seed, step, view). Every batch has `size` clips, or
    all of a smaller pool; what is left over at the end of an epoch is dropped, another part each time (PyTorch's
    drop_last). With `per_class` above 0, a batch has that many clips of each class in it (episodes.order). Rows of
    `class_ids` are the labels 0..N-1. With `cameras`, a view after the first may show another recording of the clip's
    performance (episodes.cameras). `targets` are (vectors, which clips have one) by position in the pool; clips
    without one are left out. Raises EpisodeError where no clip is left, for a clip of another class, sizes below 1, or
    classes too small for `per_class`.
    """

    def __init__(
        self,
        transforms: Sequence[ClipTransform],
        class_ids: Sequence[int],
        size: int,
        epochs: int,
        seed: int = 0,
        targets: tuple[Float[Tensor, "X D"], Bool[Tensor, "X"]] | None = None,
        per_class: int = 0,
        cameras: Cameras | None = None,
    ) -> None:
        pool = transforms[0].pool
        every = torch.arange(len(pool.names), device=pool.device)
        self.clips = every if targets is None else every[targets[1]]
        clips = len(self.clips)
        if size < 1 or epochs < 0 or not clips:
            raise EpisodeError(
                f"{clips} clips in batches of {size}, {epochs} epochs: give at least 1, 1 and 0 of them."
            )
        rows = torch.full((len(pool.classes),), -1, device=pool.device)
        rows[torch.tensor(sorted(class_ids), device=pool.device)] = torch.arange(len(class_ids), device=pool.device)
        self.label = rows[pool.label]
        if bool((self.label < 0).any()):
            strange = pool.names[int((self.label < 0).nonzero()[0])]
            raise EpisodeError(f"Clip {strange} is not of the {len(class_ids)} classes that this loader serves.")
        if per_class:
            check_classes(pool.label[self.clips], size, per_class, pool.classes)
        self.per_class, self.cameras = per_class, cameras
        self.transforms, self.size, self.epochs, self.seed = tuple(transforms), min(size, clips), epochs, seed
        self.targets, self.steps_per_epoch = targets, clips // min(size, clips)
        self._order: tuple[int, Int[Tensor, "X"]] | None = None

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return (self.at(step) for step in range(len(self)))

    def at(self, step: int) -> Batch:
        """The batch of one step. Raises IndexError beyond the last step."""
        if not 0 <= step < len(self):
            raise IndexError(f"Step {step} does not exist: there are {len(self)}, counted from 0.")
        epoch, position = divmod(step, self.steps_per_epoch)
        clip = self._order_of(epoch)[position * self.size : (position + 1) * self.size]
        views = [
            transform.clips(self._shown(clip, step, view), split(fold_in(self.seed, Stream.VIEWS, step, view), clip))
            for view, transform in enumerate(self.transforms)
        ]
        target = None if self.targets is None else self.targets[0][clip]
        return Batch(torch.stack(views, dim=1), self.label[clip], target)

    def _shown(self, clip: Int[Tensor, "X"], step: int, view: int) -> Int[Tensor, "X"]:
        if self.cameras is None or view == 0:
            return clip
        return self.cameras.drawn(clip, fold_in(self.seed, Stream.CAMERAS, step, view))

    def _order_of(self, epoch: int) -> Int[Tensor, "X"]:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._drawn(epoch)
        return self._order[1]

    def _drawn(self, epoch: int) -> Int[Tensor, "_"]:
        if not self.per_class:
            return shuffled(self.clips, self.seed, epoch)
        return of_classes(self.clips, self.label[self.clips], self.seed, epoch, self.size, self.per_class)
