"""A backbone of milliseconds, for tests of everything around one: batch statistics, dropout, one map per joint."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones import Backbone


@dataclass(frozen=True)
class Options:
    """`features` channels of the map."""

    features: int = 8


class Model(Backbone):
    """Batch normalisation, one linear map per joint and frame, ReLU, dropout."""

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        self.width = options.features
        self.norm = nn.BatchNorm1d(len(layout.joints) * channels)
        self.map = nn.Linear(channels, self.width)
        self.dropout = nn.Dropout(0.1)

    def features(self, clips: Tensor) -> Tensor:
        maps = self.norm(clips.flatten(0, 2).flatten(1)).view(-1, *clips.shape[2:])
        return self.dropout(F.relu(self.map(maps)))
