"""LSTM over the frames of a body: our reading of a baseline of DASTM's appendix, which names no architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, share


@dataclass(frozen=True)
class Options:
    """`width` hidden units in each of `layers` layers, and `dropout` between the layers."""

    pools: ClassVar[tuple[str, ...]] = ("joints",)

    width: int = 256
    layers: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        at_least_one(self, "width", "layers")
        share(self, "dropout")


class Model(Backbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, T, 1, D): the outputs of the last layer.

    Long short-term memory (Hochreiter and Schmidhuber, 1997) is a row of Table 2 in the appendix of DASTM (Ma et al.,
    ECCV 2022), with no word on its form. CHOICE, all of it: each body is a sequence of its own; the joints of a frame
    are one vector (V*C), normalised over the batch; two layers of 256 units, left to right; frames are kept, so that
    methods may align them, and a method that wants one vector takes their mean.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        width = len(layout.joints) * channels
        self.norm = nn.BatchNorm1d(width)
        # With one layer there is nothing between layers, and torch warns of a dropout without effect.
        dropout = options.dropout if options.layers > 1 else 0.0
        self.layers = nn.LSTM(width, options.width, options.layers, batch_first=True, dropout=dropout)
        self.map_joints = 1
        self.width = options.width

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ T 1 D"]:
        """One map per body, body after body of one clip."""
        frames = clips.flatten(0, 1).flatten(2)
        normalised = self.norm(frames.flatten(0, 1)).view_as(frames)
        return self.layers(normalised)[0].unsqueeze(2)
