"""Episodes whose support and query show different subjects, or come from different cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from episodes.counter import Stream, fold_in, split
from episodes.options import EpisodeError, Task
from manifests.text import counted

# Partitions that are tried for an episode. Where every class shows most of the subjects, the first one fits.
ATTEMPTS = 64
UNKNOWN, PADDING = -1, -2  # in place of a group's number


class TooFewGroups(EpisodeError):
    """A class, or an episode, has too few subjects or cameras for a support and a query of different ones."""


@dataclass(frozen=True)
class Groups:
    """The subjects, or the cameras, of the clips of `Classes`.

    `number` are their numbers, sorted; `index` is the position of each clip's in `number`, -1 for padding and for a
    clip that names none. For the host, for errors: how many each class has, and how many clips name none.
    """

    number: Int[Tensor, "_"]
    index: Int[Tensor, "N X"]
    counts: tuple[int, ...]
    unknown: int

    @classmethod
    def of(cls, numbers: NDArray[np.int64], device: torch.device) -> Groups:
        """The groups of clips (N, X) with these numbers, UNKNOWN or PADDING."""
        known = np.unique(numbers[numbers >= 0])
        index = np.where(numbers >= 0, np.searchsorted(known, np.maximum(numbers, 0)), -1)
        return cls(
            number=torch.as_tensor(known, dtype=torch.int64, device=device),
            index=torch.as_tensor(index, dtype=torch.int64, device=device),
            counts=tuple(len(np.unique(row[row >= 0])) for row in numbers),
            unknown=int((numbers == UNKNOWN).sum()),
        )


def check_groups(groups: Groups, across: str, titles: tuple[str, ...]) -> None:
    """Raise EpisodeError if a clip names no group, TooFewGroups if a class has one only."""
    if groups.unknown:
        clips = counted(groups.unknown, "clip has", "clips have")
        raise EpisodeError(
            f"across is {across}, and {clips} no {across}: file names give it. In the dataset file give `pattern` a "
            f"group (?P<{across}>[0-9]+) and build the store again, or leave `across` empty."
        )
    for title, count in zip(titles, groups.counts, strict=True):
        if count < 2:
            raise TooFewGroups(
                f"{title} has {count} {across}, and across takes support and query from different ones: "
                "leave the class out, or leave `across` empty."
            )


def support_sides(
    groups: Groups, task: Task, seed: int, episode: Int[Tensor, "B"], row: Int[Tensor, "B N"]
) -> Bool[Tensor, "B N X"]:
    """Which clips of the classes `row` of each episode may be support; all others of these may be queries.

    The groups of an episode are parted at random, so that none is on both sides in any of its classes. The sides have
    as many groups as support and query have clips, in proportion, and at least one; a partition that leaves a class
    too few clips is drawn again, with sizes further and further from that. A function of (seed, episode number) and of
    the groups' numbers. Raises TooFewGroups for an episode without a partition in ATTEMPTS.
    """
    index = groups.index[row]
    side = torch.zeros_like(index, dtype=torch.bool)
    rest = torch.arange(len(episode), device=episode.device)
    for attempt, size in enumerate(_sizes(len(groups.number), task)):
        key = split(fold_in(seed, Stream.SIDES, attempt), episode[rest])
        rank = split(key[:, None], groups.number)
        chosen = torch.zeros_like(rank, dtype=torch.bool).scatter_(1, rank.topk(size).indices, True)
        here, known = index[rest], index[rest] >= 0
        support = chosen.gather(1, here.clamp(min=0).flatten(1)).view_as(here) & known
        enough = (support.sum(-1) >= task.shot) & ((known & ~support).sum(-1) >= task.queries_per_class)
        fits = enough.all(-1)
        side[rest[fits]] = support[fits]
        rest = rest[~fits]
        if not len(rest):
            return side
    raise TooFewGroups(
        f"Episode {int(episode[rest[0]])}: no partition of {len(groups.number)} {task.across}s leaves each of its "
        f"{task.way} classes {task.shot} support and {task.queries_per_class} query clips ({ATTEMPTS} tried): "
        "lower `queries_per_class`, `shot` or `way`, or leave `across` empty."
    )


def _sizes(groups: int, task: Task) -> list[int]:
    """How many groups are on the support side, attempt by attempt.

    >>> _sizes(10, Task(way=5, shot=1, queries_per_class=4))[:5]
    [2, 1, 3, 4, 5]
    """
    first = round(groups * task.shot / (task.shot + task.queries_per_class))
    sizes = sorted(range(1, groups), key=lambda size: (abs(size - first), size))
    return [sizes[attempt % len(sizes)] for attempt in range(ATTEMPTS)] if sizes else []
