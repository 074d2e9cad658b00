"""What is special to `joints`: the clips come back."""

from __future__ import annotations

import torch

from manifests.facts import layout
from zoo.backbones.joints import Model
from zoo.registry import NoOptions


def test_maps_are_the_clips_averaged_over_present_bodies() -> None:
    clips = torch.randn(3, 2, 4, 25, 3, generator=torch.Generator().manual_seed(0))
    clips[1, 0] = 0
    maps = Model(layout("ntu25"), 3, 2, NoOptions())(clips)
    assert torch.equal(maps[1], clips[1, 1])
    torch.testing.assert_close(maps[0], clips[0].mean(0))
