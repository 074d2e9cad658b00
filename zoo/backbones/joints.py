"""No network: the clips themselves are the maps. For untrained recipes, such as `nearest`."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.registry import NoOptions


class Model(Backbone):
    """Clips (X, M, T, V, C) to their mean over present bodies, (X, T, V, C). It has no parameters."""

    def __init__(self, layout: Layout, channels: int, bodies: int, options: NoOptions) -> None:
        super().__init__(layout, channels, bodies)
        self.width = channels

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ T V C"]:
        """Bodies side by side."""
        return clips.flatten(0, 1)
