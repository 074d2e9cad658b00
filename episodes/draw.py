"""Drawing episodes: which clips, as a pure function of (seed, episode) on every device and in every batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from episodes.counter import Stream, fold_in, split
from episodes.groups import PADDING, Groups, check_groups, support_sides
from episodes.options import EpisodeError, Task
from episodes.pool import Pool


class TooFewClips(EpisodeError):
    """A class has fewer clips than one episode takes of it."""


class TooFewClasses(EpisodeError):
    """There are fewer classes than an episode has rows."""


@dataclass(frozen=True)
class Classes:
    """The clips of each class that episodes may use, on the pool's device.

    Row i of `clips` are the positions in the pool of class `class_id[i]`, count[i] of them, then padding; `counts` and
    `titles` ("label 7 (clapping)") are the same for the host, for errors. `groups` are the subjects and the cameras of
    the clips.
    """

    class_id: Int[Tensor, "N"]
    count: Int[Tensor, "N"]
    clips: Int[Tensor, "N X"]
    counts: tuple[int, ...]
    titles: tuple[str, ...]
    groups: Mapping[str, Groups]

    @classmethod
    def of(cls, pool: Pool, class_ids: Sequence[int]) -> Classes:
        """The classes `class_ids` (labels of the store, for example a part of a Split), sorted, with all their clips.

        Raises EpisodeError for a label that the dataset does not have.
        """
        ids = sorted(set(class_ids))
        strange = [i for i in ids if not 0 <= i < len(pool.classes)]
        if strange:
            raise EpisodeError(f"Label {strange[0]} is not in the store, which has labels 0..{len(pool.classes) - 1}.")
        label = pool.label.cpu().numpy()
        members = [np.flatnonzero(label == i) for i in ids]
        counts = tuple(len(m) for m in members)
        table = np.zeros((len(ids), max(counts, default=0)), dtype=np.int64)
        for row, clips in zip(table, members, strict=True):
            row[: len(clips)] = clips
        absent = np.arange(table.shape[1]) >= np.array(counts, dtype=np.int64)[:, None]
        numbers = {"subject": pool.subject.cpu().numpy(), "camera": pool.camera.cpu().numpy()}
        return cls(
            class_id=torch.tensor(ids, dtype=torch.int64, device=pool.device),
            count=torch.tensor(counts, dtype=torch.int64, device=pool.device),
            clips=torch.as_tensor(table, device=pool.device),
            counts=counts,
            titles=tuple(f"label {i} ({pool.classes[i]})" for i in ids),
            groups={
                name: Groups.of(np.where(absent, PADDING, number[table] if len(number) else PADDING), pool.device)
                for name, number in numbers.items()
            },
        )


@dataclass(frozen=True)
class Draw:
    """The clips of B episodes, as positions in the pool; `episode` is the number of each.

    `query` is class by class: all queries of row 0, then of row 1, and so on. `answer` is 0..N-1.
    """

    episode: Int[Tensor, "B"]
    support: Int[Tensor, "B N K"]
    query: Int[Tensor, "B Q"]
    answer: Int[Tensor, "B Q"]
    class_id: Int[Tensor, "B N"]


def check(classes: Classes, task: Task) -> None:
    """Whether every episode of `task` can be drawn from `classes`.

    Raises TooFewClasses or TooFewClips; with `across` also TooFewGroups, or EpisodeError if clips do not name theirs.
    """
    if len(classes.counts) < task.way:
        raise TooFewClasses(
            f"A {task.way}-way episode needs {task.way} classes and there are {len(classes.counts)}: "
            "lower `way` or use a split part with more classes."
        )
    need = task.shot + task.queries_per_class
    for title, count in zip(classes.titles, classes.counts, strict=True):
        if count < need:
            raise TooFewClips(
                f"{title} has {count} clips and an episode takes {need} of each class "
                f"({task.shot} support, {task.queries_per_class} query): lower `shot` or `queries_per_class`, "
                "or leave the class out."
            )
    if task.across:
        check_groups(classes.groups[task.across], task.across, classes.titles)


def draw(classes: Classes, task: Task, seed: int, step: int, batch: int = 1) -> Draw:
    """The `batch` episodes of one step: numbers step * batch .. step * batch + batch - 1.

    Raises TooFewClasses or TooFewClips before anything is drawn.
    """
    check(classes, task)
    episode = torch.arange(step * batch, (step + 1) * batch, device=classes.clips.device)
    return draw_episodes(classes, task, seed, episode)


def draw_episodes(classes: Classes, task: Task, seed: int, episode: Int[Tensor, "B"]) -> Draw:
    """The episodes of these numbers, for classes and a task that `check` has passed.

    Every class is equally likely, then every clip of it, without repetition inside an episode: each candidate gets a
    random rank and the highest are taken. Each episode depends on (seed, its number) alone. Raises TooFewGroups with
    `across`, see `support_sides`.
    """
    class_count, most = classes.clips.shape
    take, rows, columns = (torch.arange(n, device=episode.device) for n in (task.way, class_count, most))
    class_rank = split(split(fold_in(seed, Stream.CLASSES), episode)[:, None], rows)
    row = class_rank.topk(task.way).indices
    row_key = split(split(fold_in(seed, Stream.CLIPS), episode)[:, None], take)
    absent = columns >= classes.count[row][..., None]
    clip_rank = split(row_key[..., None], columns).masked_fill_(absent, -1)
    if task.across:
        side = support_sides(classes.groups[task.across], task, seed, episode, row)
        support = clip_rank.masked_fill(~side, -1).topk(task.shot).indices
        query = clip_rank.masked_fill(side, -1).topk(task.queries_per_class).indices
        column = torch.cat([support, query], dim=-1)
    else:
        column = clip_rank.topk(task.shot + task.queries_per_class).indices
    clip = classes.clips[row[..., None], column]
    return Draw(
        episode=episode,
        support=clip[..., : task.shot],
        query=clip[..., task.shot :].flatten(1),
        answer=take.repeat_interleave(task.queries_per_class).expand(len(episode), -1),
        class_id=classes.class_id[row],
    )
