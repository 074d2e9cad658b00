"""STRM: spatio-temporal relation modelling (Thatipelli et al., CVPR 2022), with joints in place of image patches.

Joints attend to each other in every frame and pass a joint-wise network, frames are mixed by perceptrons over time and
channels, and TRX's matcher compares pairs of frames. A second comparison, of pairs before the mixing, is trained beside
it. Widths, scales and the missing division by the root of the width are those of the published code; CHOICES here:

- The mean over joints follows the joint-wise network, as the mean over patches does there.
- The bias of the attention's keys, which its softmax cancels, and that of the matcher's values do not exist.
- Maps of one joint have nothing to attend to: only the values of the attention are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, positive, share
from zoo.learner import Known, Losses, total_of
from zoo.methods._method import Method
from zoo.parts.activation import in_chunks
from zoo.parts.frame_distance import between_all
from zoo.parts.perceptron import ChannelPerceptron, TokenPerceptron
from zoo.parts.positional_encoding import PositionalEncoding
from zoo.parts.spatial_attention import JointFeedForward
from zoo.parts.tuple_matcher import TupleMatcher, linear_of_tuples

SIZE = 2
"""Frames of a tuple."""


@dataclass(frozen=True)
class Options:
    """`key_width` of the matcher's keys and values; `joint_weight` of the second comparison, in loss and scores.

    `gate` is the first value of the learnt weight of the attention. Their code begins with 0, which leaves the
    attention's matrices without a gradient in the first step; the recipe does so too. `encoding` scales the positional
    encodings, and `dropout` follows each. Scores are divided by `temperature`.
    """

    needs_frames: ClassVar[int] = SIZE

    key_width: int = 256
    joint_weight: float = 0.1
    gate: float = 0.1
    encoding: float = 0.1
    dropout: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        at_least_one(self, "key_width")
        positive(self, "joint_weight")
        share(self, "dropout")
        positive(self, "temperature")


class JointAttention(nn.Module):
    """x + gate * softmax(Q K^T) V over the joints of a frame, then the joint-wise network and the mean over joints."""

    def __init__(self, width: int, joints: int, options: Options) -> None:
        super().__init__()
        self.encoding = PositionalEncoding(options.dropout, options.encoding)
        self.own = nn.Linear(width, width) if joints > 1 else None
        self.other = nn.Linear(width, width, bias=False) if joints > 1 else None
        self.value = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.full((1,), options.gate))
        self.refine = JointFeedForward(width)

    def forward(self, maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch D"]:
        """One vector for each frame."""
        joints = self.encoding(maps)
        return self.refine(joints + self.gate * (self.attention(joints) @ self.value(joints)))

    def attention(self, joints: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch V V"]:
        """How much each joint attends to each, from joints with their positions."""
        if self.own is None or self.other is None:
            return joints.new_ones(*joints.shape[:-1], 1)
        return (self.own(joints) @ self.other(joints).mT).softmax(-1)


class Model(Method):
    """Minus TRX's distance on mixed frames, and `joint_weight` times minus the nearest-pair distance before mixing."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        width = backbone.width
        self.joints = JointAttention(width, backbone.map_joints, options)
        self.frames = nn.Sequential(
            PositionalEncoding(options.dropout, options.encoding),
            TokenPerceptron(backbone.map_frames(known.frames)),
            ChannelPerceptron(width),
        )
        self.encoding = PositionalEncoding(options.dropout, options.encoding)
        self.matcher = TupleMatcher(width, options.key_width, SIZE, squared=True)
        self.dropout = nn.Dropout(options.dropout)
        self.pair = nn.Linear(SIZE * width, max(1, width // 2))

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Raises ValueError for maps of one frame, FrameCountError for another number of frames than in training."""
        mixed, before = self.both_scores(support, query)
        return mixed + self.options.joint_weight * before

    def both_scores(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> tuple[Float[Tensor, "B Q N"], Float[Tensor, "B Q N"]]:
        """Scores of the matcher on mixed frames, and of the nearest pairs of frames before."""
        support, query = self.joints(support), self.joints(query)
        mixed = self.matcher(self.encoding(self.frames(support)), self.encoding(self.frames(query)))
        before = self.nearest(support, query)
        return -mixed / self.options.temperature, -before / self.options.temperature

    def nearest(self, support: Float[Tensor, "B N K T D"], query: Float[Tensor, "B Q T D"]) -> Float[Tensor, "B Q N"]:
        """The mean over a query's pairs of the distance to the nearest of all pairs of a class, of relu(W pair)."""
        own, other = (F.relu(linear_of_tuples(self.pair, self.dropout(maps), SIZE)) for maps in (query, support))
        other = other.flatten(2, 3)

        def distance(own: Tensor, other: Tensor) -> Tensor:
            return between_all(own, other, "frobenius").min(-1).values.mean(-1)

        return in_chunks(distance, (own,), (other,), -(-own.shape[2] * other[0, :, :, 0].numel() // 625))

    def losses(self, episode: Episode) -> Losses:
        """Cross-entropy of the matcher's scores, and `joint_weight` times that of the scores before the mixing."""
        mixed, before = self.both_scores(*self.maps(episode))
        answer = episode.answer.flatten().long()
        parts = {
            "cross_entropy": F.cross_entropy(mixed.flatten(0, 1), answer),
            "joint_level": self.options.joint_weight * F.cross_entropy(before.flatten(0, 1), answer),
        }
        scores = mixed + self.options.joint_weight * before
        accuracy = (scores.detach().argmax(-1) == episode.answer).float().mean()
        return Losses(total_of(parts), parts, accuracy, scores)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`tuple_weights` (B, Q, N, P, K, P), the attention of every pair of the query's frames to all pairs of a
        class, and `attention` (B, Q, T', V, V) of a query's joints to each other.
        """
        support, query = self.maps(episode)
        mixed = (self.encoding(self.frames(self.joints(maps))) for maps in (support, query))
        attention = self.joints.attention(self.joints.encoding(query))
        return {"tuple_weights": self.matcher.weights(*mixed), "attention": attention}
