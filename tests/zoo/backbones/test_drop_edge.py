"""DropEdge: which bones are left out, how often, and that the graph is the literal one of the bones that are left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from helpers.graph_backbones import GRAPH_BACKBONES
from torch import Tensor

from manifests import facts
from manifests.facts import layout
from manifests.layout import Layout
from zoo import registry
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.backbones._drop_edge import DropEdge, dropped_bones
from zoo.backbones._graph import FAR, directed_partition, outward_bones, spatial_partition
from zoo.backbones._graph_backbone import GraphOptions

LAYOUTS = facts.names("layouts")


def made(name: str, **options: object) -> Backbone:
    entry = registry.backbone(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return entry.model(layout("ntu25"), 3, 1, entry.options(**options))


def some_dropped(given: Layout, seed: int) -> tuple[Tensor, SimpleNamespace]:
    """Which bones are dropped, and a layout of the others."""
    bones = len(given.bones)
    dropped = torch.zeros(bones)
    dropped[torch.randperm(bones, generator=torch.Generator().manual_seed(seed))[: 1 + seed]] = 1
    left = tuple(bone for bone, out in zip(given.bones, dropped.tolist(), strict=True) if not out)
    return dropped, SimpleNamespace(joints=given.joints, bones=left, centre=given.centre)


def walked(left: SimpleNamespace) -> list[list[int]]:
    """Hops between all joints by walking along the bones, breadth first."""
    table = []
    for start in range(len(left.joints)):
        found, frontier = {start: 0}, [start]
        for joint in frontier:
            for bone in left.bones:
                if joint in bone and (other := bone[0] + bone[1] - joint) not in found:
                    found[other] = found[joint] + 1
                    frontier.append(other)
        table.append([found.get(joint, FAR) for joint in range(len(left.joints))])
    return table


def literal_partition(left: SimpleNamespace, exact: bool) -> Tensor:
    """ST-GCN's partitions entry by entry."""
    count = len(left.joints)
    ring = walked(left)[left.centre]
    ring = ring if exact else [hop if hop <= 1 else FAR for hop in ring]
    table = torch.zeros(3, count, count, dtype=torch.float64)
    for v in range(count):
        for w in range(count):
            if v == w or (v, w) in left.bones or (w, v) in left.bones:
                table[0 if v == w else 2 if ring[v] < ring[w] else 1, v, w] = 1
    return (table / table.sum((0, 1))).float()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_graph_is_that_of_the_bones_that_are_left(name: str, seed: int) -> None:
    given = layout(name)
    dropped, left = some_dropped(given, seed)
    found = DropEdge(given, 1).hops_without(dropped)
    assert found.tolist() == walked(left)
    for exact in (False, True):
        assert torch.equal(spatial_partition(found, given.centre, exact), literal_partition(left, exact))
    directed = directed_partition(found, outward_bones(given))
    inward = torch.zeros(len(given.joints), len(given.joints), dtype=torch.float64)
    for child, parent in left.bones:
        assert directed[1, parent, child] == 1
        inward[child, parent] = 1
    assert torch.equal(directed[2], (inward / inward.sum(0).clamp(min=1)).float())
    assert [int(part.count_nonzero()) for part in directed[1:]] == [len(left.bones)] * 2


def test_a_joint_without_bones_keeps_itself() -> None:
    given = layout("ntu25")
    graph = spatial_partition(DropEdge(given, 1).hops_without(torch.ones(24)), given.centre)
    assert torch.equal(graph[0], torch.eye(25))
    assert not graph[1:].any()


def test_every_draw_has_exactly_as_many_bones_and_every_bone_its_turn() -> None:
    torch.manual_seed(0)
    layer, turns = DropEdge(layout("ntu25"), 4), torch.zeros(25, 25)
    for _ in range(200):
        left = layer().eq(1)
        assert left.sum() == 2 * (24 - 4)
        turns += layer.hops.eq(1) & ~left
    share = turns[layer.hops.eq(1)] / 200
    assert 0.08 < share.min() <= share.max() < 0.27  # 4 of 24 are 0.167, with a standard deviation of 0.026


@pytest.mark.parametrize(("rate", "dropped"), [(0.05, 2), (0.1, 3), (0.2, 5), (0.25, 6), (0.9, 22), (1.0, 24)])
def test_bones_of_a_rate(rate: float, dropped: int) -> None:
    """int(24 * (1 - rate)) bones are left, as in the authors' sampler."""
    assert dropped_bones(24, 0, rate) == dropped


@pytest.mark.parametrize("name", GRAPH_BACKBONES)
@pytest.mark.parametrize("options", [{"drop_edges": 4}, {"drop_edge_rate": 0.1}])
def test_training_alone_drops(name: str, options: dict[str, float]) -> None:
    plain, dropping = made(name), made(name, **options)
    clips = torch.randn(2, 1, 8, 25, 3, generator=torch.Generator().manual_seed(0))
    assert plain.state_dict().keys() == dropping.state_dict().keys()
    for model in (plain, dropping):
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    with torch.no_grad():
        assert torch.equal(plain.eval()(clips), dropping.eval()(clips))
        torch.manual_seed(1)
        first, second = dropping.train()(clips), dropping(clips)
        torch.manual_seed(1)
        again = dropping(clips)
        assert not torch.equal(first, second)
        assert torch.equal(first, again)
        assert not torch.equal(first, plain.train()(clips))
    assert dropping.dropped_hops is None


@pytest.mark.parametrize("name", ["agcn", "stgcn"])
def test_one_draw_for_all_blocks_and_stems(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every graph convolution of a pass, in the stems too, is given the same graph."""
    entry = registry.backbone(name)
    model = entry.model(layout("ntu25"), 6, 1, entry.options(early_fusion=True, drop_edges=1)).train()
    draws, graphs = [], []
    draw = DropEdge.forward
    monkeypatch.setattr(DropEdge, "forward", lambda self: draws.append(draw(self)) or draws[-1])
    shape = model.adjacency.shape
    for module in model.modules():
        if type(module).__name__ in ("JointConvolution", "AdaptiveConvolution"):
            module.register_forward_hook(lambda module, given, out: graphs.append(given[1]))
    model(torch.randn(2, 1, 8, 25, 6))
    assert len(draws) == 1
    assert len(graphs) == 10 + 2 * 3
    assert all(graph.shape == shape and torch.equal(graph, graphs[0]) for graph in graphs)
    assert not torch.equal(graphs[0], model.adjacency)


def test_state_stays_clean_when_a_pass_fails() -> None:
    model = made("stgcn", drop_edges=4).train()
    with pytest.raises(ShapeError):
        model(torch.randn(1, 1, 8, 25, 4))
    assert model.dropped_hops is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"drop_edges": -1}, "drop_edges is -1; it counts bones, so it must be at least 0"),
        ({"drop_edge_rate": 1.5}, "drop_edge_rate is 1.5; it is a share of the bones, 0 to 1"),
        ({"drop_edge_rate": -0.1}, "drop_edge_rate is -0.1; it is a share of the bones, 0 to 1"),
        ({"drop_edges": 2, "drop_edge_rate": 0.1}, "drop_edges is 2 and drop_edge_rate is 0.1; set one of them"),
        ({"pair_norm_scale": 0.0}, "pair_norm_scale is 0.0; it must be above 0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GraphOptions(**options)


@pytest.mark.parametrize(("option", "value"), [("drop_edges", 24), ("drop_edges", 99), ("drop_edge_rate", 1.0)])
def test_a_graph_without_bones_is_refused(option: str, value: float) -> None:
    words = f"{option} is {value}, which leaves none of the 24 bones of layout `ntu25`. Drop fewer."
    with pytest.raises(ShapeError, match=words):
        made("stgcn", **{option: value})
