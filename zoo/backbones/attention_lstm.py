"""LSTM over the frames of a body, pooled to one vector in one of three ways.

For the rows "Attention", "Fully connected" and "Average pooling" of NTU RGB+D 120's one-shot table (Liu et al., TPAMI
2020), which build on the global context-aware attention LSTM (Liu et al., CVPR 2017). Only abstracts of both papers
were at hand: the architecture below is this project's reading of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, share


@dataclass(frozen=True)
class Options:
    """`width` hidden units in each direction and `dropout` of the outputs.

    `pooling`: `attention` weighs the frames, with the global context made again `refinements` times; `fully_connected`
    is a layer of `connected` units with ReLU on the last states; `average` is the mean over frames.
    """

    pools: ClassVar[tuple[str, ...]] = ("frames", "joints")

    pooling: Literal["attention", "fully_connected", "average"] = "attention"
    width: int = 128
    refinements: int = 2
    connected: int = 256
    dropout: float = 0.2

    def __post_init__(self) -> None:
        at_least_one(self, "width", "refinements", "connected")
        share(self, "dropout")


class Model(Backbone):
    """Clips (X, M, T, V, C) to the mean over present bodies of one vector, (X, 1, 1, D).

    CHOICE, all of it: each body is a sequence of its own; the joints of a frame are one vector (V*C), normalised over
    the batch; one layer reads it in both directions. With attention, the global context is first the mean of the
    outputs h, then their sum weighted by softmax(w tanh(W [h, context])) over frames; the last such sum is the vector.
    The papers' LSTM also runs over joints.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        width, both = len(layout.joints) * channels, 2 * options.width
        self.options = options
        self.norm = nn.BatchNorm1d(width)
        self.layers = nn.LSTM(width, options.width, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(options.dropout)
        if options.pooling == "attention":
            self.attention = nn.Linear(2 * both, both)
            self.informativeness = nn.Linear(both, 1, bias=False)
        if options.pooling == "fully_connected":
            self.connected = nn.Linear(both, options.connected)
        self.map_joints = 1
        self.width = options.connected if options.pooling == "fully_connected" else both

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ 1 1 D"]:
        """One vector per body, body after body of one clip."""
        frames = clips.flatten(0, 1).flatten(2)
        normalised = self.norm(frames.flatten(0, 1)).view_as(frames)
        outputs, (last, _) = self.layers(normalised)
        return self._pooled(self.dropout(outputs), self.dropout(torch.cat(last.unbind(0), dim=-1)))[:, None, None]

    def _pooled(self, outputs: Float[Tensor, "X T D"], last: Float[Tensor, "X D"]) -> Float[Tensor, "X _"]:
        if self.options.pooling == "fully_connected":
            return F.relu(self.connected(last))
        context = outputs.mean(1)
        if self.options.pooling == "attention":
            for _ in range(self.options.refinements):
                context = (self.weights(outputs, context)[..., None] * outputs).sum(1)
        return context

    def weights(self, outputs: Float[Tensor, "X T D"], context: Float[Tensor, "X D"]) -> Float[Tensor, "X T"]:
        """How much each frame counts; the weights of a clip sum to one."""
        both = torch.cat([outputs, context[:, None].expand_as(outputs)], dim=-1)
        return self.informativeness(self.attention(both).tanh()).squeeze(-1).softmax(-1)
