"""Stage: the contract of pre-training. A Batch of base-class clips goes in, a loss comes out; the backbone is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from episodes.episode import Batch
from zoo.learner import Learner, Losses


@dataclass(frozen=True)
class Teacher:
    """Stored embeddings of X clips of the base classes, in the order of a pool.

    `video` (X, D) are the vectors of the clips' videos, zeros where `has_video` is False, and `text` (X, D) those of
    the names of their classes; None where the store has no such part. Neither has unit length.
    """

    video: Float[Tensor, "X D"] | None
    has_video: Bool[Tensor, "X"] | None
    text: Float[Tensor, "X D"] | None


class Stage(Learner):
    """A backbone and a loss on single clips. A subclass writes `losses`; its `views` is R of the batches it needs, and
    `least_clips` the smallest number of clips in them: batch normalisation of clips has no statistics of one.

    A stage that needs targets writes `targets` as well. It never sees a clip or a name of a novel class.
    """

    views = 1
    least_clips = 1

    @classmethod
    def targets(cls, options: Any, teacher: Teacher) -> tuple[Float[Tensor, "X D"], Bool[Tensor, "X"]] | None:
        """(target of every clip, which clips have one), from stored embeddings; None for a stage without targets.

        Raises LookupError, naming the part, where the store lacks a part that these options need.
        """
        return None

    def losses(self, batch: Batch) -> Losses:
        """The loss on one batch."""
        raise TypeError(f"{type(self).__module__} is a stage without `losses`; write that method.")


def pooled(maps: Float[Tensor, "X T V D"]) -> Float[Tensor, "X D"]:
    """The mean over frames and joints.

    >>> import torch
    >>> pooled(torch.tensor([[[[1.0], [3.0]]]])).tolist()
    [[2.0]]
    """
    return maps.mean((1, 2))
