"""What is special to CTR-GCN: a graph for every channel, how it begins, and what the switches change."""

from __future__ import annotations

import pytest
import torch
from helpers.plain_backbones import Ctrgcn
from torch import Tensor, nn

from manifests.facts import layout
from zoo.backbones._graph import directed_partition, outward_bones
from zoo.backbones.ctrgcn import BLOCKS, Model, Options, RefinedConvolution, from_authors


def made(channels: int = 3, bodies: int = 1, on: str = "ntu25", **options: object) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Model(layout(on), channels, bodies, Options(**options))


def clips(bodies: int = 1, frames: int = 9, channels: int = 3) -> Tensor:
    return torch.randn(2, bodies, frames, 25, channels, generator=torch.Generator().manual_seed(0))


def test_the_whole_network_line_by_line() -> None:
    """On another layout and with four channels: in training, values and gradients."""
    ours = Model(layout("kinect20"), 4, 2, Options()).double()
    torch.manual_seed(0)
    plain = Ctrgcn(ours.adjacency.mT, BLOCKS, channels=4).double()
    ours.load_state_dict(from_authors(plain.state_dict()))
    given = torch.randn(2, 2, 7, 20, 4).double().requires_grad_()
    out, expected = ours(given), plain(given)
    torch.testing.assert_close(out, expected)
    gradients = [torch.autograd.grad(maps.square().sum(), given)[0] for maps in (out, expected)]
    torch.testing.assert_close(*gradients)


@torch.no_grad()
def test_a_graph_for_every_channel_written_out() -> None:
    """Joint w of channel c is the sum over v of (A[v, w] + alpha * Q[c, v, w]) times joint v of W x + b."""
    torch.manual_seed(0)
    layer = RefinedConvolution(3, 4, torch.rand(3, 5, 5), nn.Identity()).double()
    layer.alpha.fill_(0.7)
    for bias in (layer.pair.bias, layer.refine.bias, layer.maps.bias):
        bias.normal_()
    maps = torch.randn(1, 2, 5, 3).double()
    pairs = layer.pair(maps[0].mean(0)).view(5, 2, 3, 8)
    expected = torch.zeros(2, 5, 4).double()
    for part in range(3):
        rows = slice(4 * part, 4 * part + 4)
        mapped = maps[0] @ layer.maps.weight[rows].T + layer.maps.bias[rows]
        for target in range(5):
            for source in range(5):
                relation = torch.tanh(pairs[target, 0, part] - pairs[source, 1, part])
                refined = layer.refine.weight[rows] @ relation + layer.refine.bias[rows]
                edge = layer.shared[part, source, target] + 0.7 * refined
                expected[:, target] += edge * mapped[:, source]
    torch.testing.assert_close(layer.mixed(maps, layer.shared)[0], expected)


def test_start_is_the_authors() -> None:
    """But for alpha, which would keep the gradient from the refinement if it began at exactly 0."""
    model = made()
    layer = model.blocks[9].joints
    assert torch.equal(layer.shared, model.adjacency)
    assert layer.alpha.item() == torch.tensor(1e-6).item()
    assert layer.norm.weight.unique().tolist() == [torch.tensor(1e-6).item()]
    for weight, outputs in ((layer.maps.weight, 256), (layer.pair.weight, 32), (layer.refine.weight, 256)):
        assert abs(weight.std().item() / (2 / outputs) ** 0.5 - 1) < 0.03
    frames = model.blocks[9].frames
    assert abs(frames.reduce.weight.std().item() / (2 / 64) ** 0.5 - 1) < 0.03
    assert abs(frames.dilated[0].weight.std().item() / (2 / (64 * 5)) ** 0.5 - 1) < 0.03
    assert 0.01 < frames.norm_out.weight.std() < 0.03
    assert not any(bias.any() for bias in (layer.maps.bias, layer.pair.bias, layer.refine.bias, frames.direct.bias))


def test_the_graph_is_applied_from_the_other_side() -> None:
    """2s-AGCN's partition 1 carries a parent to its child; here it carries a child to its parent."""
    ntu, (_, inward, _) = layout("ntu25"), made().adjacency
    for child, parent in ntu.bones:
        assert inward[child, parent] > 0
        assert inward[parent, child] == 0


def test_dropout_acts_in_training_and_spares_the_first_block() -> None:
    model = made(dropout=0.5)
    assert [block.dropout.p for block in model.blocks] == [0.0] + [0.5] * 9
    with torch.no_grad():
        assert torch.equal(model.eval()(clips()), made().eval()(clips()))
        torch.manual_seed(0)
        assert not torch.equal(model.train()(clips()), model(clips()))
    with pytest.raises(ValueError, match=r"dropout is 1\.0; it must be at least 0 and below 1"):
        Options(dropout=1.0)
    with pytest.raises(ValueError, match="drop_edges is -1"):
        Options(drop_edges=-1)


def test_dropped_bones_leave_the_fixed_graph_of_the_others_and_what_was_learnt() -> None:
    model = made(drop_edges=4).train()
    left = model.drop_edge.hops_without(torch.tensor([1.0] * 4 + [0.0] * 20))
    expected = directed_partition(left, outward_bones(layout("ntu25"))).mT
    layer, learnt = model.blocks[0].joints, torch.randn(3, 25, 25)
    seen: list[Tensor] = []
    with torch.no_grad(), model._graph_of(left):
        layer.shared += learnt
        torch.testing.assert_close(model.adjacency + model.dropped(), expected)
        assert not torch.equal(expected, model.adjacency)
        layer.mixed = lambda maps, shared: seen.append(shared) or maps.new_zeros(*maps.shape[:3], 64)
        layer(clips()[:, 0], model.dropped())
    torch.testing.assert_close(seen[0], expected + learnt)
    assert model.dropped() is None


def test_dropped_bones_change_training_alone() -> None:
    plain, dropping = made(), made(drop_edges=4)
    assert plain.state_dict().keys() == dropping.state_dict().keys()
    for model in (plain, dropping):
        for block in model.blocks:
            nn.init.ones_(block.joints.norm.weight)
    with torch.no_grad():
        assert torch.equal(plain.eval()(clips()), dropping.eval()(clips()))
        assert not torch.equal(plain.train()(clips()), dropping.train()(clips()))


def test_pair_norm_stands_before_the_normalisation_of_the_graph_convolution() -> None:
    model = made(pair_norm="pn_si", pair_norm_scale=2.0).eval()
    layer = model.blocks[1].joints
    seen: list[Tensor] = []
    layer.norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    layer(torch.randn(1, 2, 25, 64), None)
    torch.testing.assert_close(seen[0].norm(dim=-1), torch.full((1, 2, 25), 2.0))
    assert [type(block.joints.pair_norm).__name__ for block in model.blocks] == ["PairNorm"] * 10


def test_stems_of_early_fusion() -> None:
    """A stem is the first three blocks, 64 channels; the relations of the network have an eighth of its channels."""
    fused = made(9, early_fusion=True).eval()
    assert [(stem.width, len(stem.blocks)) for stem in fused.stems] == [(64, 3)] * 3
    assert (fused.blocks[0].joints.narrow, fused.stems[0].blocks[0].joints.narrow) == (24, 8)
    assert fused(clips(channels=9)).shape == (2, 3, 25, 256)
