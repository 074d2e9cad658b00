"""Episode and Batch: the values that travel from the episodes floor to the zoo."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Episode:
    """B few-shot tasks on one device. Row n of `support` IS class n.

    Joints are in the unit of the store's preprocessing; an absent body is zeros. `answer` is 0..N-1 and `class_id` the
    store's label of each row. `support_clip` and `query_clip` are the clips' positions in the pool, by which names,
    subjects and embeddings are looked up.
    """

    support: Float[Tensor, "B N K M T V C"]
    query: Float[Tensor, "B Q M T V C"]
    answer: Int[Tensor, "B Q"]
    class_id: Int[Tensor, "B N"]
    support_clip: Int[Tensor, "B N K"]
    query_clip: Int[Tensor, "B Q"]

    @property
    def way(self) -> int:
        """N, the number of classes."""
        return self.support.shape[1]

    @property
    def shot(self) -> int:
        """K, the number of support clips per class."""
        return self.support.shape[2]


@dataclass(frozen=True)
class Batch:
    """X clips of the base classes on one device, each in R randomly transformed views.

    `label` is a row of the base classes, 0..N-1. `target` are the clips' embeddings, or None where a stage needs none.
    """

    clips: Float[Tensor, "X R M T V C"]
    label: Int[Tensor, "X"]
    target: Float[Tensor, "X D"] | None = None
