"""What is special to ST-GCN: its partition and its quirk, its sizes, and the order in which joints are mixed."""

from __future__ import annotations

import pytest
import torch

from manifests.facts import layout
from zoo.backbones._graph import hops, spatial_partition
from zoo.backbones.stgcn import JointConvolution, Model, Options


def edges(adjacency: torch.Tensor) -> list[int]:
    return [int(part.count_nonzero()) for part in adjacency]


def test_partition_with_the_authors_hops_and_with_all() -> None:
    ntu = layout("ntu25")
    assert edges(spatial_partition(hops(ntu), ntu.centre)) == [25, 40, 8]
    assert edges(spatial_partition(hops(ntu), ntu.centre, exact_hops=True)) == [25, 24, 24]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ["ntu25", "kinect20"])
def test_all_partitions_together_have_columns_of_one(name: str, exact: bool) -> None:
    given = layout(name)
    columns = spatial_partition(hops(given), given.centre, exact).sum((0, 1))
    assert torch.allclose(columns, torch.ones(len(given.joints)))


def test_exact_hops_carry_every_bone_once_in_each_direction() -> None:
    ntu = layout("ntu25")
    outward, inward = (part.ne(0) for part in spatial_partition(hops(ntu), ntu.centre, exact_hops=True)[1:])
    assert torch.equal(outward, inward.T)


@pytest.mark.parametrize(("blocks", "parameters"), [(10, 3_064_662), (7, 2_028_886), (4, 993_110)])
def test_sizes(blocks: int, parameters: int) -> None:
    model = Model(layout("ntu25"), 3, 2, Options(blocks=blocks))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model.width == 256
    with torch.no_grad():
        assert model(torch.randn(1, 2, 30, 25, 3)).shape == (1, 8, 25, 256)


def test_joints_first_is_the_authors_sum() -> None:
    torch.manual_seed(0)
    maps, adjacency = torch.randn(2, 3, 5, 4, dtype=torch.float64), torch.rand(3, 5, 5, dtype=torch.float64)
    layer = JointConvolution(4, 6).double()
    literal = torch.einsum("xtvpd,pvw->xtwd", layer.maps(maps).unflatten(3, (3, 6)), adjacency)
    torch.testing.assert_close(layer(maps, adjacency), literal)


def test_edge_importance_starts_without_effect() -> None:
    torch.manual_seed(0)
    plain = Model(layout("ntu25"), 3, 1, Options(blocks=4)).eval()
    learnt = Model(layout("ntu25"), 3, 1, Options(blocks=4, edge_importance=True)).eval()
    learnt.load_state_dict(plain.state_dict(), strict=False)
    clips = torch.randn(1, 1, 8, 25, 3)
    torch.testing.assert_close(plain(clips), learnt(clips))


def test_first_block_has_no_dropout() -> None:
    model = Model(layout("ntu25"), 3, 1, Options(dropout=0.3))
    assert [block.dropout.p for block in model.blocks] == [0.0] + [0.3] * 9
