"""Server: draw + pool + resample + augment + streams = one Episode after another, on the pool's device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from manifests.facts import Layout
from manifests.strict import hint


@dataclass(frozen=True)
class View:
    """How a drawn clip is seen: which frames, which streams (joined along the channels), and what chance may change.

    `augment` acts in training only. Raises EpisodeError for an unknown stream, or none.
    """

    sampling: Sampling = Sampling()
    streams: tuple[str, ...] = ("joint",)
    augment: Augment = Augment()

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
        self._parent = torch.tensor(parents(layout.bones, V), device=pool.device)
        self._swap = torch.tensor(swaps(layout.mirror, V), device=pool.device)

    def clips(self, clip: Int[Tensor, "X"], key: Int[Tensor, "X"]) -> Float[Tensor, "X M T V C"]:
        """The clips at these places in the pool; whatever is random about one is a function of its key."""
        pool, view = self.pool, self.view
        length = pool.length[clip]
        joints = pool.gather(clip, sample(length, self._frame_key(clip, key), view.sampling, self.train))
        if view.sampling.scrambled:
            joints = scramble(joints, length)
        if self.train:
            joints = augment(joints, key, view.augment, self.layout.coordinates, self._swap)
        return streams(joints, view.streams, self._parent)

    def _frame_key(self, clip: Int[Tensor, "X"], place: Int[Tensor, "X"]) -> Int[Tensor, "X"]:
        if self.view.sampling.frozen:
            return spread(fold(self.seed, Stream.FROZEN), self.pool.clip_id[clip])
        return spread(place, Stream.FRAMES)


class Server:
    """The episodes of `draws` as `viewer` shows them; `at(step)` is a function of the step alone.

    Iterating gives every step once. The last block of steps is kept, so going forward costs little.
    """

    def __init__(self, viewer: Viewer, draws: Draws) -> None:
        self.viewer, self.draws = viewer, draws
        self._start, self._block = -1, list[Episode]()

    def __len__(self) -> int:
        return len(self.draws)

    def __iter__(self) -> Iterator[Episode]:
        return (self.at(step) for step in range(len(self)))

    def at(self, step: int) -> Episode:
        """The episodes of one step, B = `draws.batch` or what is left. Raises IndexError beyond the last step."""
        start = step - step % self.draws.block
        if start != self._start:
            draw = self.draws.at(start, self.draws.block)
            self._start, self._block = start, list(self._episodes(draw))
        return self._block[step - start]

    def _episodes(self, draw: Draw) -> Iterator[Episode]:
        support, query = self._joints(draw)
        for first in range(0, len(draw.episode), self.draws.batch):
            step = slice(first, first + self.draws.batch)
            yield Episode(support[step], query[step], draw.answer[step], draw.class_id[step])

    def _joints(self, draw: Draw) -> tuple[Float[Tensor, "B N K M T V C"], Float[Tensor, "B Q M T V C"]]:
        """One pile, all support clips first, so that both parts come out contiguous."""
        shots, queries = draw.support[0].numel(), draw.query.shape[1]
        episode = spread(fold(self.viewer.seed, Stream.PLACES), draw.episode)
        place = spread(episode[:, None], torch.arange(shots + queries, device=draw.query.device))
        key = torch.cat([place[:, :shots].flatten(), place[:, shots:].flatten()])
        joints = self.viewer.clips(torch.cat([draw.support.flatten(), draw.query.flatten()]), key)
        support, query = joints.split([draw.support.numel(), draw.query.numel()])
        return support.unflatten(0, draw.support.shape), query.unflatten(0, draw.query.shape)
