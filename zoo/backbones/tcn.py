"""Temporal convolutional network over the joints of a body as one vector: seconds of training on one core.

Also known as TCN for skeletons (Kim and Reiter, "Interpretable 3D Human Action Analysis with Temporal Convolutional
Networks", CVPR workshops 2017; the form of the layers is that of Bai et al., "An Empirical Evaluation of Generic
Convolutional and Recurrent Networks for Sequence Modeling", 2018, without dilation, residuals and causality). Few,
narrow layers: for datasets of some hundred clips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone


@dataclass(frozen=True)
class Options:
    """`widths` are the channels of the layers, first to last, and `strides` their steps along the frames.

    `kernel` is the number of frames that a layer looks at, an odd number. With T = 16 frames the default map has 4.
    """

    pools: ClassVar[tuple[str, ...]] = ("joints",)

    widths: tuple[int, ...] = (48, 64, 96)
    kernel: int = 3
    dropout: float = 0.1
    strides: tuple[int, ...] = field(default=(1, 2, 2), metadata={"before": (1, 2, 2)})

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths is {self.widths}; name the channels of at least one layer")
        if len(self.strides) != len(self.widths) or min(self.strides) < 1:
            raise ValueError(f"strides is {self.strides}; give one of at least 1 for each of widths {self.widths}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be odd and at least 1")


class Model(Backbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, T', 1, D), T' = T divided by the strides.

    Frames keep their order in the map, so a method should compare whole maps rather than their means.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        width = len(layout.joints) * channels
        self.norm = nn.BatchNorm1d(width)
        layers = []
        for wider, stride in zip(options.widths, options.strides, strict=True):
            layers.append(Layer(width, wider, options.kernel, stride, options.dropout))
            width = wider
        self.layers = nn.Sequential(*layers)
        self.map_joints = 1
        self.width = width

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ 1 D"]:
        """One map per body, with the joints of a frame in one vector."""
        frames = clips.flatten(0, 1).flatten(2).transpose(1, 2)
        return self.layers(self.norm(frames)).transpose(1, 2).unsqueeze(2)


class Layer(nn.Sequential):
    """A convolution over frames, batch normalisation, ReLU, dropout."""

    def __init__(self, width: int, wider: int, kernel: int, stride: int, dropout: float) -> None:
        convolution = nn.Conv1d(width, wider, kernel, stride, kernel // 2)
        super().__init__(convolution, nn.BatchNorm1d(wider), nn.ReLU(), nn.Dropout(dropout))
