"""Early fusion: a stem of its own for every stream, then the whole network; and what the other options leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.graph_backbones import GRAPH_BACKBONES
from torch import Tensor, nn

from manifests.facts import layout
from manifests.layout import Layout
from zoo import registry
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.backbones._slot_norm import SlotNorm

GRAPH = ("agcn", "stgcn")


def made(name: str, channels: int = 3, bodies: int = 1, given: Layout | None = None, **options: object) -> Backbone:
    entry = registry.backbone(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return entry.model(given or layout("ntu25"), channels, bodies, entry.options(**options))


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def streams_of(count: int, bodies: int = 2) -> Tensor:
    return torch.randn(2, bodies, 8, 25, 3 * count, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", GRAPH)
@pytest.mark.parametrize("streams", [2, 3])
def test_parameters_are_those_of_three_stems_and_the_network(name: str, streams: int) -> None:
    """A stem is the network's first three blocks and an input normalisation; the network has 64 channels a stream."""
    fused = made(name, 3 * streams, 2, early_fusion=True)
    network, wide = made(name, 3, 2), made(name, 64 * streams, 2)
    later = sum(size(block) for block in network.blocks[3:])
    assert len(fused.stems) == streams
    assert [size(stem) for stem in fused.stems] == [size(network) - later] * streams
    assert size(fused) == size(wide) + streams * (size(network) - later)
    assert {stem.width for stem in fused.stems} == {64}


@pytest.mark.parametrize("name", GRAPH)
def test_maps_written_out(name: str) -> None:
    """In training: every stem on its own stream, side by side, then the network by its own blocks."""
    clips = streams_of(3)
    fused = made(name, 9, 2, early_fusion=True, **({"dropout": 0.0} if name == "stgcn" else {})).train()
    parts = []
    for index, stem in enumerate(fused.stems):
        part = clips[..., 3 * index : 3 * index + 3]
        if name == "agcn":
            part = stem.norm(part, None)
            maps = part.flatten(0, 1)
        else:
            maps = stem.norm(part.flatten(0, 2).flatten(1)).view(-1, 8, 25, 3)
        for block in stem.blocks:
            maps = block(maps, stem.adjacency)
        parts.append(maps)
    maps = torch.cat(parts, dim=-1)
    if name == "agcn":
        maps = fused.norm(maps.unflatten(0, (2, 2)), None).flatten(0, 1)
    else:
        maps = fused.norm(maps.flatten(0, 1).flatten(1)).view(-1, 8, 25, 192)
    for block in fused.blocks:
        maps = block(maps, fused.adjacency)
    torch.testing.assert_close(fused(clips), maps.unflatten(0, (2, 2)).mean(1))


@pytest.mark.parametrize("name", GRAPH)
def test_stems_share_nothing(name: str) -> None:
    fused = made(name, 6, 1, early_fusion=True).eval()
    clips = streams_of(2, bodies=1).requires_grad_()
    fused.stems[0].stem_maps(clips[..., :3], None).square().sum().backward()
    assert clips.grad[..., 3:].eq(0).all()
    assert all(parameter.grad is None for parameter in fused.stems[1].parameters())
    first, second = (dict(stem.named_parameters()) for stem in fused.stems)
    assert first.keys() == second.keys()
    assert not torch.equal(first["blocks.0.joints.maps.weight"], second["blocks.0.joints.maps.weight"])


def test_stems_are_the_same_for_every_number_of_blocks() -> None:
    assert {size(made("stgcn", 6, early_fusion=True, blocks=blocks).stems[0]) for blocks in (4, 7, 10)} == {
        size(made("stgcn", 6, early_fusion=True).stems[1])
    }


@pytest.mark.parametrize("name", GRAPH_BACKBONES)
def test_default_options_add_no_keys(name: str) -> None:
    """And DropEdge and PairNorm add none either: one checkpoint fits them all."""
    plain = made(name).state_dict()
    assert not [key for key in plain if key.startswith(("stems", "drop_edge", "pair_norm"))]
    for options in ({"drop_edges": 3}, {"pair_norm": "pn_si"}):
        assert made(name, **options).state_dict().keys() == plain.keys()
        assert all(torch.equal(value, plain[key]) for key, value in made(name, **options).state_dict().items())


@pytest.mark.parametrize("name", GRAPH_BACKBONES)
def test_pair_norm_changes_the_maps_and_its_scale_only_with_it(name: str) -> None:
    clips = streams_of(1, bodies=1)
    with torch.no_grad():
        plain = made(name).eval()(clips)
        assert torch.equal(made(name, pair_norm_scale=10.0).eval()(clips), plain)
        maps = [made(name, pair_norm=mode).eval()(clips) for mode in ("pn", "pn_si", "pn_scs")]
        scaled = made(name, pair_norm="pn", pair_norm_scale=10.0).eval()(clips)
    for index, first in enumerate((plain, *maps)):
        assert all(not torch.allclose(first, second) for second in (plain, *maps)[index + 1 :])
    assert not torch.allclose(scaled, maps[0])


@pytest.mark.parametrize("name", GRAPH_BACKBONES)
def test_layouts_and_streams_that_have_nothing_to_fuse(name: str) -> None:
    remedy = "Set data.streams to joint, bone and velocity, or early_fusion=false."
    with pytest.raises(ShapeError, match=f"several streams; 3 channels are one of layout `ntu25`. {remedy}"):
        made(name, 3, early_fusion=True)
    with pytest.raises(ShapeError, match="7 channels, which is no multiple of the 3 coordinates of layout `ntu25`"):
        made(name, 7, early_fusion=True)
    point = replace(
        layout("ntu25"),
        name="point",
        joints=("only",),
        bones=(),
        parts={"all": (0,)},
        mirror=(),
        root=0,
        centre=0,
        spine=0,
        hips=(0,),
    )
    with pytest.raises(ShapeError, match=r"early_fusion needs bones, and layout `point` has none"):
        made(name, 6, given=point, early_fusion=True)


def test_statistics_of_the_fused_maps_are_those_of_present_bodies() -> None:
    """With `skip_empty` the second slot, which is always empty, counts nowhere."""
    fused = made("agcn", 6, 2, early_fusion=True).train()
    fused.skip_empty = True
    clips = streams_of(2)
    clips[:, 1] = 0
    fused(clips)
    norms = [module for module in fused.modules() if isinstance(module, SlotNorm)]
    assert len(norms) == 3
    for norm in norms:
        half = norm.num_features // 2
        assert norm.running_mean[half:].eq(0).all()
        assert norm.running_mean[:half].ne(0).any()
