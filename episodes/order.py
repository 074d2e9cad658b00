"""The clips of an epoch in the order in which batches take them: a function of (seed, epoch)."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from episodes.counter import Stream, fold_in, split
from episodes.options import EpisodeError


def shuffled(clips: Int[Tensor, "X"], seed: int, epoch: int) -> Int[Tensor, "X"]:
    """All clips in a random order."""
    return clips[split(fold_in(seed, Stream.BATCHES, epoch), clips).argsort()]


def of_classes(
    clips: Int[Tensor, "X"], label: Int[Tensor, "X"], seed: int, epoch: int, size: int, per_class: int
) -> Int[Tensor, "_"]:
    """Batches of `size` clips, `per_class` of each class that is drawn, as many batches as `clips` have room for.

    Also known as P x K sampling. Every batch draws its classes anew; where it has room for more classes than there are,
    a class is drawn again once all others have been. The clips of a class come in a random order, and a clip comes
    again only after all others, but for a rest smaller than `per_class`, which differs from epoch to epoch.
    """
    kinds, members = label.unique(return_counts=True)
    steps, groups = len(clips) // size, size // per_class
    rounds = -(-groups // len(kinds))
    place = torch.arange(steps * rounds * len(kinds), device=clips.device).view(steps, rounds, len(kinds))
    drawn = split(fold_in(seed, Stream.CLASSES, epoch), place).argsort(-1).flatten(1)[:, :groups].flatten()
    # How often the class of each group was drawn before.
    before = (drawn[:, None] == torch.arange(len(kinds), device=clips.device)).cumsum(0)
    before = before.gather(1, drawn[:, None]) - 1
    position = split(fold_in(seed, Stream.BATCHES, epoch), clips).argsort()
    order = clips[position[label[position].argsort(stable=True)]]
    within = before * per_class + torch.arange(per_class, device=clips.device)
    whole = (members // per_class * per_class)[drawn][:, None]
    first = (members.cumsum(0) - members)[drawn][:, None]
    return order[first + within % whole].flatten()


def check_classes(label: Int[Tensor, "X"], size: int, per_class: int, names: tuple[str, ...]) -> None:
    """Raise EpisodeError where batches of `size` clips cannot have `per_class` of each class.

    `names` are the names of the labels.
    """
    kinds, members = label.unique(return_counts=True)
    if per_class < 1 or size % per_class:
        raise EpisodeError(
            f"{per_class} clips of each class do not fill a batch of {size}. Give a number that divides it: change "
            "budget.per_class or budget.batch."
        )
    if size > len(label):
        raise EpisodeError(f"{len(label)} clips do not fill a batch of {size}. Set a smaller budget.batch.")
    least = -(-(size // per_class) // len(kinds)) * per_class
    few = int(members.argmin())
    if int(members[few]) < least:
        name, rule = names[int(kinds[few])], f"{per_class} clips of each of {len(kinds)} classes"
        raise EpisodeError(
            f"{name} has {int(members[few])} clips, and batches of {size} with {rule} need {least}. "
            "Set a smaller budget.per_class (0: any clips) or budget.batch."
        )
