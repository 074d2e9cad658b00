"""Server: draw + pool + resample + augment + streams = one Episode after another, on the pool's device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.augment import Augment, augment, swaps
from episodes.counter import Stream, fold, spread
from episodes.draw import Draw
from episodes.episode import Episode, EpisodeError
from episodes.pool import Pool
from episodes.protocol import Draws
from episodes.resample import Sampling, sample, scramble
from episodes.streams import STREAMS, parents, streams
from manifests.layout import Layout
from manifests.strict import hint


@dataclass(frozen=True)
class View:
    """How a drawn clip is seen: which frames, which streams (joined along the channels), and what chance may change.

    `augment` acts in training only. Raises EpisodeError for an unknown stream, or none.
    """

    sampling: Sampling = field(default_factory=Sampling)
    streams: tuple[str, ...] = ("joint",)
    augment: Augment = field(default_factory=Augment)

    def __post_init__(self) -> None:
        for name in self.streams or ("",):
            if name not in STREAMS:
                raise EpisodeError(f"`{name}` is not a stream. {hint(name, STREAMS)}")


class Viewer:
    """Clips of a pool as a `view` shows them. Raises EpisodeError when view, layout and pool do not fit together."""

    def __init__(self, pool: Pool, layout: Layout, view: View, seed: int = 0, train: bool = False) -> None:
        V = pool.joints.shape[2]
        if len(layout.joints) != V:
            raise EpisodeError(f"Layout {layout.name} has {len(layout.joints)} joints and the pool's clips have {V}.")
        view.augment.check(layout.coordinates)
        self.pool, self.layout, self.view, self.seed, self.train = pool, layout, view, seed, train
        self._frozen = fold(seed, Stream.FROZEN)
        self._parent = torch.tensor(parents(layout.bones, V), device=pool.device)
        self._swap = torch.tensor(swaps(layout.mirror, V), device=pool.device)

    def clips(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Float[Tensor, "X M T V C"]:
        """The clips at these places in the pool; what is random about one is a function of its key."""
        return self.show(self.rows(clip, key), clip, key)

    def rows(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Int[Tensor, "X M T"]:
        """The first half of `clips`: which rows of the pool are wanted. Small, so many clips can be done at once."""
        frozen = self.view.sampling.frozen
        word = spread(self._frozen, self.pool.clip_id[clip]) if frozen else spread(key, Stream.FRAMES)
        return self.pool.rows(clip, sample(self.pool.length[clip], word, self.view.sampling, self.train))

    def show(
        self, row: Int[Tensor, "X M T"], clip: Int[Tensor, "X"], key: Int[Tensor, "X"]
    ) -> Float[Tensor, "X M T V C"]:
        """The second half: the joints in these rows, then what the view makes of them."""
        joints = self.pool.gather(row)
        if self.view.sampling.scrambled:
            joints = scramble(joints, self.pool.length[clip])
        if self.train:
            joints = augment(joints, key, self.view.augment, self.layout.coordinates, self._swap)
        return streams(joints, self.view.streams, self._parent)


class Server:
    """The episodes of `draws` as `viewer` shows them; `at(step)` is a function of the step alone.

    Iterating gives every step once. Steps are drawn a block at a time and the last block is kept, so going forward
    costs little more than the copy out of the pool.
    """

    def __init__(self, viewer: Viewer, draws: Draws) -> None:
        self.viewer, self.draws = viewer, draws
        self._plan: _Plan | None = None

    def __len__(self) -> int:
        return len(self.draws)

    def __iter__(self) -> Iterator[Episode]:
        return (self.at(step) for step in range(len(self)))

    def at(self, step: int) -> Episode:
        """The episodes of one step, B = `draws.batch` or what is left. Raises IndexError beyond the last step."""
        if self._plan is None or step not in self._plan.steps:
            self._plan = self._drawn(step)
        plan, batch = self._plan, self.draws.batch
        first = (step - plan.steps.start) * batch
        here = slice(first, first + batch)
        support, query = plan.draw.support[here], plan.draw.query[here]
        clips = support[0].numel() + query.shape[1]
        pile = slice(first * clips, (first + batch) * clips)
        joints = self.viewer.show(plan.row[pile], plan.clip[pile], plan.key[pile])
        seen, asked = joints.split([support.numel(), query.numel()])
        return Episode(
            support=seen.view(*support.shape, *joints.shape[1:]),
            query=asked.view(*query.shape, *joints.shape[1:]),
            answer=plan.draw.answer[here],
            class_id=plan.draw.class_id[here],
        )

    def _drawn(self, step: int) -> _Plan:
        if not 0 <= step < len(self):
            raise IndexError(f"Step {step} does not exist: there are {len(self)}, counted from 0.")
        start = step - step % self.draws.block
        steps = range(start, min(start + self.draws.block, len(self)))
        draw = self.draws.at(start, len(steps))
        clip = torch.cat([draw.support.flatten(1), draw.query], dim=1)
        place = torch.arange(clip.shape[1], device=clip.device)
        episode = spread(fold(self.viewer.seed, Stream.PLACES), draw.episode)[:, None]
        # Step by step, support before query: sorted so, both parts of every step are one piece of memory.
        step_of = torch.arange(len(clip), device=clip.device)[:, None] // self.draws.batch
        order = (2 * step_of + (place >= draw.support[0].numel())).flatten().argsort(stable=True)
        clip, key = clip.flatten()[order], spread(episode, place).flatten()[order]
        return _Plan(steps, draw, clip, key, self.viewer.rows(clip, key))


@dataclass(frozen=True)
class _Plan:
    """A block of steps, drawn but not gathered: one clip after the other, step by step, support before query."""

    steps: range
    draw: Draw
    clip: Int[Tensor, "X"]
    key: Int[Tensor, "X"]
    row: Int[Tensor, "X M T"]
