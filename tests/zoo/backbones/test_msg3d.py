"""What is special to MS-G3D: its graphs, its two orders of one sum, its two forms, and what the switches change."""

from __future__ import annotations

import pytest
import torch
from helpers.plain_backbones import Branches, Msg3d, scales_of, undirected
from torch import Tensor, nn

from manifests import facts
from manifests.facts import layout
from zoo.backbones._disentangled import FEW, MultiScaleGcn, WindowGcn, inverse_roots, scale_graphs
from zoo.backbones._graph import hops
from zoo.backbones._multi_scale_tcn import MultiScaleTcn, tcn_from_authors
from zoo.backbones.msg3d import BLOCKS, Model, Options, from_authors

LAYOUTS = facts.names("layouts")


def made(channels: int = 3, bodies: int = 1, on: str = "ntu25", **options: object) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Model(layout(on), channels, bodies, Options(**options))


def clips(bodies: int = 1, frames: int = 9, channels: int = 3) -> Tensor:
    return torch.randn(2, bodies, frames, 25, channels, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("name", LAYOUTS)
def test_graphs_are_the_powers_of_the_adjacency_matrix(name: str, window: int) -> None:
    skeleton = layout(name)
    joints = len(skeleton.joints)
    ours = scale_graphs(hops(skeleton), inverse_roots(window * joints), 8, window)
    theirs = scales_of(undirected(skeleton.bones, joints), 8, window)
    assert torch.equal(ours.flatten(0, 1), theirs)


def test_scales_of_a_chain() -> None:
    """Three joints in a row: the ends are one hop from the middle and two hops from each other."""
    graphs = scale_graphs(torch.tensor([[0, 1, 2], [1, 0, 1], [2, 1, 0]]), inverse_roots(3), 4)
    root = 6**-0.5
    torch.testing.assert_close(graphs[1], torch.tensor([[0.5, root, 0], [root, 1 / 3, root], [0, root, 0.5]]))
    torch.testing.assert_close(graphs[2], torch.tensor([[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]))
    assert torch.equal(graphs[0], torch.eye(3))
    assert torch.equal(graphs[3], torch.eye(3))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 6, 7])
def test_windows_by_both_orders_written_out(frames: int, stride: int) -> None:
    """Node (i, v) of the window around frame t is joint v in frame t + i - 1; all nodes are mixed, then mapped."""
    torch.manual_seed(0)
    layer = WindowGcn(4, 6, 5, scales=2, joints=3, window=3, stride=stride).double()
    maps, graphs = torch.randn(2, frames, 3, 4).double(), torch.randn(2, 9, 9).double()
    padded = torch.cat([torch.zeros(2, 1, 3, 4).double(), maps, torch.zeros(2, 1, 3, 4).double()], dim=1)
    windows = []
    for start in range(0, frames, stride):
        nodes = padded[:, start : start + 3].flatten(1, 2)
        windows.append(layer.maps(torch.cat([graph.T @ nodes for graph in graphs], dim=-1)).unflatten(1, (3, 3)))
    expected = torch.cat(windows, dim=1)
    torch.testing.assert_close(layer._mix_first(maps, graphs), expected)
    torch.testing.assert_close(layer._map_first(maps, graphs), expected)


def test_joints_mixed_frame_by_frame_are_the_same() -> None:
    torch.manual_seed(0)
    layer = MultiScaleGcn(FEW, 6, 4, 5, nn.Identity())
    maps, graphs = torch.randn(2, 7, 5, FEW), torch.randn(4, 5, 5)
    out = layer(maps, graphs)
    layer.channels = FEW - 1
    torch.testing.assert_close(out, layer(maps, graphs))


@pytest.mark.parametrize(("frames", "dilations", "width"), [(3, (1, 2, 3, 4), 12), (5, (1, 2), 8)])
@pytest.mark.parametrize("stride", [1, 2])
def test_branches_side_by_side(frames: int, dilations: tuple[int, ...], width: int, stride: int) -> None:
    """In training: values, gradients and running statistics of six small branches are those of one wide layer."""
    torch.manual_seed(0)
    plain = Branches(4, width, frames, dilations, stride, shortcut=False).double()
    ours = MultiScaleTcn(4, width, frames, dilations, stride).double()
    ours.load_state_dict({k.removeprefix("x."): v for k, v in tcn_from_authors(named(plain), "p", "x").items()})
    maps = torch.randn(2, 9, 5, 4).double().requires_grad_()
    expected, out = plain(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), ours(maps)
    torch.testing.assert_close(out, expected)
    gradients = [torch.autograd.grad(value.pow(3).sum(), maps)[0] for value in (out, expected)]
    torch.testing.assert_close(*gradients)
    after = tcn_from_authors(named(plain), "p", "x")
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(value, after[f"x.{key}"])


def named(plain: nn.Module) -> dict[str, Tensor]:
    return {f"p.{key}": value for key, value in plain.state_dict().items()}


@pytest.mark.parametrize("form", ["dastm", "full"])
def test_the_whole_network_line_by_line(form: str) -> None:
    """On another layout, with other scales and four channels: in training, values and gradients."""
    skeleton = layout("kinect20")
    torch.manual_seed(0)
    plain = Msg3d(skeleton.bones, 20, BLOCKS[form], (3, 2), channels=4).double()
    ours = Model(skeleton, 4, 2, Options(form=form, graph_scales=3, window_scales=2)).double()
    ours.load_state_dict(from_authors(plain.state_dict()))
    given = torch.randn(2, 2, 7, 20, 4).double().requires_grad_()
    out, expected = ours(given), plain(given)
    torch.testing.assert_close(out, expected)
    gradients = [torch.autograd.grad(maps.square().sum(), given)[0] for maps in (out, expected)]
    torch.testing.assert_close(*gradients)


def test_forms() -> None:
    dastm, full = made(), made(form="full")
    assert (dastm.width, full.width) == (192, 384)
    with torch.no_grad():
        assert dastm.eval()(clips(frames=30)).shape == (2, 8, 25, 192)
        assert full.eval()(clips(frames=30)).shape == (2, 8, 25, 384)
    assert (dastm.scales, made(on="kinect20").scales) == ((13, 6), (8, 8))
    assert made(graph_scales=2, window_scales=3).scales == (2, 3)


def test_numbers_of_scales_are_checked() -> None:
    for name in ("graph_scales", "window_scales"):
        with pytest.raises(ValueError, match=f"{name} is -1; it counts scales: at least 1, or 0 for"):
            Options(**{name: -1})
    with pytest.raises(ValueError, match="drop_edges is -1"):
        Options(drop_edges=-1)


def test_start_is_the_authors() -> None:
    layer = made().blocks[1]
    for learnt in (layer.joints.learnt, layer.windows[0].learnt, layer.windows[1].learnt):
        assert learnt.abs().max() <= 1e-6
        assert learnt.std() > 5e-7


def test_dropped_bones_leave_the_graphs_of_the_others() -> None:
    model = made(drop_edges=23).train()
    full = model.graphs()
    with model._graph_of(model.drop_edge.hops_without(torch.tensor([1.0] * 23 + [0.0]))):
        dropped = model.graphs()
    (child, parent), joints = layout("ntu25").bones[23], 25
    assert [graphs.shape for graphs in dropped] == [graphs.shape for graphs in full]
    expected = scales_of(undirected(((child, parent),), joints), 13)
    assert torch.equal(dropped[0].flatten(0, 1), expected)
    for graphs, window in zip(dropped[1:], (3, 5), strict=True):
        assert torch.equal(graphs.flatten(0, 1), scales_of(undirected(((child, parent),), joints), 6, window))
    assert all(torch.equal(first, second) for first, second in zip(full, model.graphs(), strict=True))


def test_dropped_bones_change_training_alone() -> None:
    plain, dropping = made(), made(drop_edges=4)
    assert plain.state_dict().keys() == dropping.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(plain.eval()(clips()), dropping.eval()(clips()))
        torch.manual_seed(1)
        assert not torch.equal(plain.train()(clips()), dropping.train()(clips()))


def test_pair_norm_stands_before_the_normalisation_of_the_graph_convolution() -> None:
    torch.manual_seed(0)
    model = made(pair_norm="pn_si", pair_norm_scale=2.0).eval()
    layer, maps = model.blocks[1].joints, torch.randn(1, 2, 25, 96)
    seen: list[Tensor] = []
    layer.norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    layer(maps, model.graphs()[0])
    torch.testing.assert_close(seen[0].norm(dim=-1), torch.full((1, 2, 25), 2.0))
    assert [type(block.joints.pair_norm).__name__ for block in model.blocks] == ["PairNorm"] * 2


def test_stems_of_early_fusion() -> None:
    """A stem keeps every frame and has 96 channels; the network has 96 for every stream, the first block 96 again."""
    fused = made(9, early_fusion=True).eval()
    assert [stem.width for stem in fused.stems] == [96] * 3
    assert fused.stems[0].stem_maps(clips(), None).shape == (2, 1, 9, 25, 96)
    assert fused.blocks[0].joints.channels == 288
    assert fused.blocks[0].windows[0].maps.out_features == 96
    assert fused(clips(channels=9)).shape == (2, 3, 25, 192)
