"""Episode: the one value that travels from the episodes floor to the zoo."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


class EpisodeError(ValueError):
    """Something about pools, tasks or views that the user can mend; the text names value, rule and remedy."""


@dataclass(frozen=True)
class Episode:
    """B few-shot tasks on one device. Row n of `support` IS class n.

    Joints are in the unit of the store's recipe; an absent body is zeros. `answer` is 0..N-1;
    `class_id` (B, N) is the store's label of each row.
    """

    support: Float[Tensor, "B N K M T V C"]
    query: Float[Tensor, "B Q M T V C"]
    answer: Int[Tensor, "B Q"]
    class_id: Int[Tensor, "B N"]

    @property
    def way(self) -> int:
        """N, the number of classes."""
        return self.support.shape[1]

    @property
    def shot(self) -> int:
        """K, the number of support clips per class."""
        return self.support.shape[2]
