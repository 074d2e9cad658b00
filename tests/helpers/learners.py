"""Small backbones and episodes for tests of methods and stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from episodes.episode import Episode
from manifests.facts import layout
from manifests.layout import Layout
from zoo.backbones._backbone import Backbone

FIVE = Layout(
    name="five",
    joints=("hip", "chest", "head", "left hand", "right hand"),
    bones=((1, 0), (2, 1), (3, 1), (4, 1)),
    parts={"torso": (0, 1, 2), "arms": (3, 4)},
    mirror=((3, 4),),
    root=0,
    centre=1,
    spine=1,
    hips=(0,),
    up="y",
    unit="metre",
    coordinates=3,
)
"""A small skeleton with parts of unequal size."""


class LinearBackbone(Backbone):
    """One matrix for every joint's coordinates, the mean over bodies: X M T V C to X T V 8; zeros stay zeros."""

    width = 8

    def __init__(self, channels: int = 3) -> None:
        super().__init__(FIVE, channels, 1)
        self.map = nn.Linear(channels, self.width, bias=False)

    def forward(self, clips: Tensor) -> Tensor:
        return self.map(clips.mean(1))


class GivenMaps(Backbone):
    """A backbone for clips that are feature maps of one body already: X 1 T V D."""

    def __init__(self, width: int) -> None:
        super().__init__(layout("ntu25"), width, 1)
        self.width = width

    def forward(self, clips: Tensor) -> Tensor:
        return clips[:, 0]


def episode_of(support: Tensor, query: Tensor, answer: Tensor) -> Episode:
    """An episode whose clips and classes are numbered from 0."""
    batch, way, shot = support.shape[:3]
    clip = torch.arange(way * shot + query.shape[1])
    return Episode(
        support=support,
        query=query,
        answer=answer,
        class_id=torch.arange(way).repeat(batch, 1),
        support_clip=clip[: way * shot].view(way, shot).repeat(batch, 1, 1),
        query_clip=clip[way * shot :].repeat(batch, 1),
    )
