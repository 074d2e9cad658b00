"""FICAMA, mixed joints and frames, as its published code computes it (jinjinggu00/FICAMA).

A follow-up of DASTM, whose paper was not at hand.

Perceptrons mix the joints of every frame and its channels, then the frames of every clip with all joints and channels
of a frame as its width. Class means over shots are compared with queries by two distances: ESR-MM's bidirectional mean
Hausdorff metric with its temporal consistency, and the squared Euclidean distance of whole maps. Each is scaled to 0..1
for every query, and the two are summed by the softmax of their margins between the two nearest classes. CHOICES and
what is left out:

- The code holds eight ways to weight the two distances; the margin of the softmax of minus the scaled distances is the
  first (`en1`), and that of the distances themselves the second (`en2`): option `margin`.
- Its "self-information" loss is a histogram of detached numbers, which has no gradient, so it is left out.
- Positional encodings are fixed, as in the code's default: none for joints, "rotation" (four channels of a wavelength)
  for frames. On maps of one joint the perceptron over joints does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative, positive, share
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.frame_distance import frame_distance
from zoo.parts.perceptron import ChannelPerceptron, TokenPerceptron
from zoo.parts.positional_encoding import PositionalEncoding
from zoo.parts.set_metric import cosine_costs, mean_hausdorff, scaled_per_query

CHANNELS_OF_A_WAVELENGTH = {"positional": 2, "rotation": 4}

Encoding = Literal["none", "positional", "rotation"]


@dataclass(frozen=True)
class Options:
    """`first`: whether joints or frames are mixed first; `joint_encoding` and `frame_encoding`, scaled by 0.1 and with
    `dropout` behind them; weight `consistency` of the Hausdorff metric's penalty; `margin` that weights the distances.

    Scores are divided by `temperature`.
    """

    first: Literal["joints", "frames"] = "joints"
    joint_encoding: Encoding = "none"
    frame_encoding: Encoding = "rotation"
    dropout: float = 0.1
    consistency: float = 0.1
    margin: Literal["probability", "distance"] = "probability"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        share(self, "dropout")
        not_negative(self, "consistency")
        positive(self, "temperature")


class Model(Method):
    """Minus the margin-weighted sum of a Hausdorff and a Euclidean distance between mixed maps."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        joints = backbone.map_joints
        over_joints = [TokenPerceptron(joints)] if joints > 1 else []
        self.joints = nn.Sequential(
            _encoding(options.joint_encoding, options.dropout), *over_joints, ChannelPerceptron(backbone.width)
        )
        self.frames = nn.Sequential(
            _encoding(options.frame_encoding, options.dropout), TokenPerceptron(backbone.map_frames(known.frames))
        )

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The mean over shots follows the mixing. Raises FrameCountError for another number of frames."""
        distances = self.distances(self.mixed(support).mean(2), self.mixed(query))
        return -(self.shares(distances) * distances).sum(-1) / self.options.temperature

    def mixed(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T V D"]:
        """Maps whose joints and frames are mixed, of the same shape."""
        if self.options.first == "joints":
            maps = self.joints(maps)
        maps = self.frames(maps.flatten(-2)).view(maps.shape)
        return maps if self.options.first == "joints" else self.joints(maps)

    def distances(
        self, support: Float[Tensor, "B N T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N _"]:
        """The Hausdorff and the Euclidean distance, each scaled to 0..1 for every query."""
        cost = cosine_costs(query.flatten(3), support.flatten(3))
        hausdorff = mean_hausdorff(cost, "mean", self.options.consistency)
        euclidean = frame_distance(query.flatten(2), support.flatten(2), "squared_frobenius")
        return torch.stack([scaled_per_query(hausdorff), scaled_per_query(euclidean)], dim=-1)

    def shares(self, distances: Float[Tensor, "B Q N _"]) -> Float[Tensor, "B Q 1 _"]:
        """The weight of each distance for a query: the softmax of the margins between its two nearest classes."""
        closeness = -distances if self.options.margin == "distance" else (-distances).softmax(2)
        best = closeness.topk(2, dim=2).values
        return (best[:, :, :1] - best[:, :, 1:]).softmax(-1)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, T', T') of the Hausdorff metric; `distances` (B, Q, N, 2), it and the Euclidean
        one, scaled; `shares` (B, Q, 2), the weights of the two.
        """
        support, query = self.maps(episode)
        means, mixed = self.mixed(support).mean(2), self.mixed(query)
        distances = self.distances(means, mixed)
        return {
            "frame_distance": cosine_costs(mixed.flatten(3), means.flatten(3)),
            "distances": distances,
            "shares": self.shares(distances).squeeze(2),
        }


def _encoding(kind: Encoding, dropout: float) -> nn.Module:
    """The encoding, or nothing at all: their dropout is a part of the encoding."""
    return nn.Identity() if kind == "none" else PositionalEncoding(dropout, step=CHANNELS_OF_A_WAVELENGTH[kind])
