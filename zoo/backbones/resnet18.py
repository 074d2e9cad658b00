"""ResNet-18 on images of skeletons: the network of SL-DML and Skeleton-DML (see zoo/parts/skeleton_image.py).

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as torchvision has it. As in the authors' code,
one linear layer takes the place of its classifier, and images are not normalised by the statistics of ImageNet.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative
from zoo.parts.metric_extra import import_metric
from zoo.parts.skeleton_image import ENCODINGS

SMALLEST = 32
"""The network halves an image five times."""


class WeightsError(Exception):
    """ImageNet weights are not in torchvision's cache and cannot be downloaded; the text says where to put them."""


@dataclass(frozen=True)
class Options:
    """`encoding` of clips as images, and their `image_size` in pixels (the authors': 256), at least 32.

    `weights` to start from: "random", or "imagenet", which torchvision downloads once (45 MB). The linear layer at the
    end has `embedding_width` outputs and random weights; 0: no such layer, and the 512 numbers of the network.
    """

    pools: ClassVar[tuple[str, ...]] = ("frames", "joints")

    encoding: Literal["sl_dml", "skeleton_dml"] = "skeleton_dml"
    image_size: int = 256
    weights: Literal["random", "imagenet"] = "random"
    embedding_width: int = 128

    def __post_init__(self) -> None:
        not_negative(self, "embedding_width")
        if self.image_size < SMALLEST:
            raise ValueError(f"image_size is {self.image_size}; it must be at least {SMALLEST}")


class Model(Backbone):
    """Clips (X, M, T, V, C) to (X, 1, 1, D), D = `embedding_width`: one image per clip, in which bodies are stacked.

    Needs the extra `metric`. Raises ExtraMissing without it, WeightsError where ImageNet weights cannot be had: there
    is no other start in their place. Pitfall: with images below 64 pixels, training needs two clips in a batch.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        models = import_metric("torchvision.models")
        self.image, self.image_size = ENCODINGS[options.encoding], options.image_size
        self.network = models.resnet18(weights=None)
        if options.weights == "imagenet":
            load_imagenet(self.network, models)
        inner: int = self.network.fc.in_features
        self.network.fc = nn.Linear(inner, options.embedding_width) if options.embedding_width else nn.Identity()
        self.map_joints = 1
        self.width = options.embedding_width or inner

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ 1 1 D"]:
        """The map of a clip's image, once for each of its bodies."""
        vectors = self.network(self.image(clips, self.image_size))
        return vectors[:, None, None].repeat_interleave(clips.shape[1], dim=0)

    def body_maps(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "_ 1 1 D"]:
        """`features` of the clips with a body that has True in `counted`, and zeros for the others; of all clips where
        it is None."""
        kept = None if counted is None else counted.any(1)
        if kept is None or not 0 < int(kept.sum()) < len(kept):
            return self.features(clips)
        maps = self.features(clips[kept])
        return maps.new_zeros(clips.shape[0] * clips.shape[1], *maps.shape[1:]).index_put(
            (kept.repeat_interleave(clips.shape[1]),), maps
        )

    def map_frames(self, frames: int) -> int:
        """T' is 1 for clips of any length."""
        return 1


def load_imagenet(network: nn.Module, models: Any) -> None:
    """Put torchvision's weights after ImageNet into a ResNet-18, from its cache or its own download.

    Raises WeightsError where they cannot be downloaded, or do not fit.
    """
    entry = models.ResNet18_Weights.IMAGENET1K_V1
    try:
        network.load_state_dict(entry.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        place = f"{torch.hub.get_dir()}/checkpoints/{entry.url.rpartition('/')[2]}"
        raise WeightsError(
            f"backbone.options.weights is imagenet, but these weights could not be loaded ({error}). Download "
            f"{entry.url} on a machine with a connection and put the file at {place} (delete a damaged one), or set "
            "backbone.options.weights=random, which is enough to measure a finished run: it has weights of its own."
        ) from error
