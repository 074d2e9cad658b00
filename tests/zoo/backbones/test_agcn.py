"""What is special to 2s-AGCN: its three graphs, and how they begin."""

from __future__ import annotations

import torch

from manifests.facts import layout
from zoo.backbones._graph import directed_partition, hops, outward_bones
from zoo.backbones.agcn import AdaptiveConvolution, Model, Options


def test_graph_has_each_bone_once_in_each_direction() -> None:
    ntu = layout("ntu25")
    own, outward, inward = directed_partition(hops(ntu), outward_bones(ntu))
    assert torch.equal(own, torch.eye(25))
    for child, parent in ntu.bones:
        assert outward[parent, child] == 1
        assert inward[child, parent] > 0
    assert torch.equal(inward.ne(0), outward.T.ne(0))
    assert set(inward.sum(0).tolist()) <= {0.0, 1.0}


def test_graph_of_a_clip_is_a_distribution_over_source_joints() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 16, torch.Size((3, 5, 5)), adaptive=True)
    graph = layer.similarity(torch.randn(2, 4, 5, 3), layer.pair)
    assert graph.shape == (2, 3, 5, 5)
    torch.testing.assert_close(graph.sum(2), torch.ones(2, 3, 5))


def test_graph_of_a_clip_written_out() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 16, torch.Size((3, 5, 5)), adaptive=True)
    maps = torch.randn(1, 4, 5, 3)
    both = layer.pair(maps)[0].unflatten(2, (2, 3, 4))
    source, output = both[:, :, 0, 1], both[:, :, 1, 1]
    scores = sum(source[t] @ output[t].T for t in range(4)) / (4 * 4)
    torch.testing.assert_close(layer.similarity(maps, layer.pair)[0, 1], scores.softmax(0))


def test_start_is_the_authors() -> None:
    torch.manual_seed(0)
    layer = Model(layout("ntu25"), 3, 1, Options()).blocks[9].joints
    assert layer.learnt.unique().tolist() == [torch.tensor(1e-6).item()]
    assert layer.norm.weight.unique().tolist() == [torch.tensor(1e-6).item()]
    assert abs(layer.maps.weight.std().item() / (2 / (256 * 256 * 3)) ** 0.5 - 1) < 0.02
    assert abs(layer.pair.weight.std().item() / (2 / 64) ** 0.5 - 1) < 0.02
    assert not layer.maps.bias.any()


def test_without_the_clips_own_graph_there_are_fewer_weights() -> None:
    model = Model(layout("ntu25"), 3, 1, Options(adaptive=False)).eval()
    assert all(block.joints.pair is None for block in model.blocks)
    assert model(torch.randn(1, 1, 8, 25, 3)).shape == (1, 2, 25, 256)


def test_statistics_of_a_slot_are_those_of_its_present_bodies() -> None:
    """With `skip_empty` each slot's normalisation is torch's own over the bodies that are present in the slot."""
    clips = torch.randn(4, 2, 6, 25, 3, generator=torch.Generator().manual_seed(0)) + 3
    clips[1, 1] = clips[2, 0] = clips[3] = 0
    model = Model(layout("ntu25"), 3, 2, Options()).train()
    present = clips.ne(0).flatten(2).any(-1)
    normalised = model.normalise_slots(clips, present)
    for slot in range(2):
        alone, part = torch.nn.BatchNorm1d(75), slice(75 * slot, 75 * slot + 75)
        bodies = clips[present[:, slot], slot]
        expected = alone(bodies.flatten(0, 1).flatten(1)).view_as(bodies)
        torch.testing.assert_close(normalised[present[:, slot], slot], expected)
        torch.testing.assert_close(model.norm.running_mean[part], alone.running_mean)
        torch.testing.assert_close(model.norm.running_var[part], alone.running_var)
    assert model.norm.num_batches_tracked == 1


def test_a_slot_without_bodies_keeps_its_statistics() -> None:
    model = Model(layout("ntu25"), 3, 2, Options()).train()
    model.skip_empty = True
    clips = torch.randn(2, 2, 6, 25, 3)
    clips[:, 1] = 0
    model(clips).sum().backward()
    assert model.norm.running_mean[75:].eq(0).all()
    assert model.norm.running_mean[:75].ne(0).all()
