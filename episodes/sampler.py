"""Episode samplers: many small random tasks, or one task with fixed exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol, runtime_checkable

import torch

from episodes.draw import Classes, Draw, TooFewClasses, TooFewClips, check, draw_episodes
from episodes.options import EpisodeError, Task
from episodes.pool import Pool

# Clips whose indexes are computed together: enough to make the cost of starting many small operations vanish.
CLIPS_AT_ONCE = 2048
TRIED = 200


@runtime_checkable
class EpisodeSampler(Protocol):
    """A list of steps of `batch` episodes each; up to `block` steps are drawn together."""

    batch: int
    block: int

    def __len__(self) -> int:
        """How many steps there are."""

    def at(self, step: int, steps: int = 1) -> Draw:
        """The episodes of `steps` steps from `step` on (fewer where the list ends), one after the other."""


class EpisodicSampler:
    """`episodes` random N-way K-shot tasks, `batch` in a step; the last step has what is left.

    Episode e depends on (seed, e) alone, so `batch` changes nothing but how many come at once.
    Raises TooFewClasses or TooFewClips when it is made, before anything runs; TooFewGroups too, where `across` cannot
    part the subjects of the first TRIED episodes.
    """

    def __init__(self, classes: Classes, task: Task, seed: int, episodes: int, batch: int = 1) -> None:
        check(classes, task)
        if episodes < 0 or batch < 1:
            raise EpisodeError(f"{episodes} episodes, {batch} in a step: give at least 0, and at least 1 in a step.")
        self.classes, self.task, self.seed, self.episodes, self.batch = classes, task, seed, episodes, batch
        clips = batch * task.way * (task.shot + task.queries_per_class)
        self.block = max(1, CLIPS_AT_ONCE // clips)
        if task.across:
            draw_episodes(classes, task, seed, torch.arange(min(episodes, TRIED), device=classes.clips.device))

    def __len__(self) -> int:
        return -(-self.episodes // self.batch)

    def at(self, step: int, steps: int = 1) -> Draw:
        """See EpisodeSampler. Raises IndexError beyond the last step."""
        _check_step(step, len(self))
        end = min((step + steps) * self.batch, self.episodes)
        episode = torch.arange(step * self.batch, end, device=self.classes.clips.device)
        return draw_episodes(self.classes, self.task, self.seed, episode)


class ExemplarSampler:
    """One task of all `classes`: K fixed exemplars of each, and every other clip of them as a query, in pool order.

    The exemplars of a class are its clips in `named`, where a protocol names them; what is missing to `shot` is filled
    by the clips whose sha256 of "<seed>/<name>", in hexadecimal, comes first: the same on every machine and for any
    subset that holds them. `class_split` is the number of one of several class splits; the text is then
    "<seed>/<class_split>/<name>", so that class splits with a common class draw different exemplars of it.
    Queries come `chunk` at a time; step s is episode s, with B = 1 and unbalanced queries.
    Raises TooFewClasses without classes, TooFewClips for a class without a query, EpisodeError when `named` does not
    fit the pool.
    """

    batch = block = 1

    def __init__(
        self,
        pool: Pool,
        classes: Classes,
        shot: int,
        seed: int = 0,
        named: Sequence[str] = (),
        chunk: int = 256,
        class_split: int | None = None,
    ) -> None:
        if not classes.counts:
            raise TooFewClasses("An exemplar protocol needs at least 1 class and there are 0: name the novel classes.")
        members = [row[:count] for row, count in zip(classes.clips.tolist(), classes.counts, strict=True)]
        _check_named(pool, members, named)
        draw = f"{seed}" if class_split is None else f"{seed}/{class_split}"
        ranked = [_ranked(pool, clips, draw, frozenset(named)) for clips in members]
        for title, clips in zip(classes.titles, ranked, strict=True):
            _check_class(title, len(clips), shot, sum(pool.names[clip] in named for clip in clips))
        rest = sorted((clip, answer) for answer, clips in enumerate(ranked) for clip in clips[shot:])
        self.chunk, self.names = chunk, tuple(tuple(pool.names[clip] for clip in clips[:shot]) for clips in ranked)
        self._support = torch.tensor([[clips[:shot] for clips in ranked]], device=pool.device)
        self._query, self._answer = torch.tensor(rest, device=pool.device).T.contiguous()[:, None]
        self._class_id = classes.class_id[None]

    def __len__(self) -> int:
        return -(-self._query.shape[1] // self.chunk)

    def at(self, step: int, steps: int = 1) -> Draw:
        """See EpisodeSampler; one step at a time. Raises IndexError beyond the last step."""
        _check_step(step, len(self))
        part = slice(step * self.chunk, (step + 1) * self.chunk)
        return Draw(
            episode=torch.arange(step, step + 1, device=self._query.device),
            support=self._support,
            query=self._query[:, part],
            answer=self._answer[:, part],
            class_id=self._class_id,
        )


def _ranked(pool: Pool, clips: list[int], draw: str, named: frozenset[str]) -> list[int]:
    """The clips of a class, best exemplar first."""

    def rank(clip: int) -> tuple[bool, str, str]:
        name = pool.names[clip]
        return name not in named, sha256(f"{draw}/{name}".encode()).hexdigest(), name

    return sorted(clips, key=rank)


def _check_named(pool: Pool, members: list[list[int]], named: Sequence[str]) -> None:
    known = {pool.names[clip] for clips in members for clip in clips}
    absent = sorted(set(named) - known)
    if absent:
        raise EpisodeError(
            f"Exemplar `{absent[0]}` is not among the clips of the novel classes ({len(absent)} such): "
            "it may have no frames, be of another class, or lie outside the part of the data that was kept."
        )


def _check_class(title: str, count: int, shot: int, named: int) -> None:
    if shot < 1 or named > shot:
        raise EpisodeError(
            f"{title}: shot is {shot} and {named} exemplars are named: give `shot` at least {named or 1}."
        )
    if count <= shot:
        raise TooFewClips(
            f"{title} has {count} clips and the protocol takes {shot + 1} of each class "
            f"({shot} support, at least 1 query): lower `shot` or leave the class out."
        )


def _check_step(step: int, steps: int) -> None:
    if not 0 <= step < steps:
        raise IndexError(f"Step {step} does not exist: there are {steps}, counted from 0.")
