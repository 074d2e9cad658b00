"""TRX, temporal-relational cross-transformers (Perrett et al., CVPR 2021), on skeletons.

Every tuple of frames of a query is compared with a prototype that attention makes of all tuples of a class; sizes of
tuples have weights of their own and the scores are averaged. For skeletons, CHOICES: a frame is the mean over its
joints, and keys and values have as many channels as the map of ST-GCN, 256 (1152 for the paper's ResNet).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, positive, share
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.positional_encoding import PositionalEncoding
from zoo.parts.tuple_matcher import TupleMatcher


@dataclass(frozen=True)
class Options:
    """`sizes` of tuples, each at least 1 and at most T'; `key_width` of keys and values.

    `encoding` scales the positional encoding, after which frames are dropped out by `dropout`. Scores are divided by
    `temperature`.
    """

    sizes: tuple[int, ...] = (2, 3)
    key_width: int = 256
    encoding: float = 0.1
    dropout: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1 or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes is {self.sizes}; it must be one or more different sizes, each at least 1")
        at_least_one(self, "key_width")
        share(self, "dropout")
        positive(self, "temperature")

    @property
    def needs_frames(self) -> int:
        """The largest tuple."""
        return max(self.sizes)


class Model(Method):
    """Minus the mean squared distance of a query's tuples from their prototypes, the mean over sizes (eq. 8)."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.encoding = PositionalEncoding(options.dropout, options.encoding)
        self.matchers = nn.ModuleList(
            TupleMatcher(backbone.width, options.key_width, size, squared=True) for size in options.sizes
        )

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The mean over joints comes first. Raises ValueError where a map has fewer frames than a tuple."""
        frames = self.encoding(support.mean(4)), self.encoding(query.mean(3))
        distances = [matcher(*frames) for matcher in self.matchers]
        return -torch.stack(distances).mean(0) / self.options.temperature

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`tuple_weights_2`, `tuple_weights_3` ... for each size: (B, Q, N, P, K, P), the attention of every tuple of
        the query to all tuples of a class; tuples are in the order (0, 1), (0, 2), ..., (1, 2), ...
        """
        support, query = self.maps(episode)
        frames = self.encoding(support.mean(4)), self.encoding(query.mean(3))
        matchers = [matcher for matcher in self.matchers if isinstance(matcher, TupleMatcher)]
        return {f"tuple_weights_{matcher.size}": matcher.weights(*frames) for matcher in matchers}
