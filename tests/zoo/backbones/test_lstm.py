"""What is special to the LSTM: its equations, that frames see the past alone, and its size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones.lstm import Model, Options


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 2, Options(**options)).eval()


def clips(frames: int = 6, bodies: int = 2) -> Tensor:
    return torch.randn(2, bodies, frames, 25, 3, generator=torch.Generator().manual_seed(1))


def test_map_and_size() -> None:
    model = made()
    assert (model.width, model.map_joints) == (256, 1)
    assert model(clips()).shape == (2, 6, 1, 256)
    gates = 4 * 256
    assert sum(parameter.numel() for parameter in model.parameters()) == (
        2 * 75 + gates * (75 + 256) + 2 * gates + gates * (256 + 256) + 2 * gates
    )


@torch.no_grad()
def test_one_layer_written_out() -> None:
    """c = f c + i g and h = o tanh(c), with the gates of torch's documentation in the order i, f, g, o."""
    model = made(layers=1, width=5)
    cell, given = model.layers, clips(frames=4)[:1, :1]
    hidden, memory = torch.zeros(5), torch.zeros(5)
    for frame in given[0, 0].flatten(1) / (1 + model.norm.eps) ** 0.5:
        gates = cell.weight_ih_l0 @ frame + cell.bias_ih_l0 + cell.weight_hh_l0 @ hidden + cell.bias_hh_l0
        enter, forget, new, leave = gates.chunk(4)
        memory = forget.sigmoid() * memory + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * memory.tanh()
    both = torch.cat([given, torch.zeros_like(given)], dim=1)
    torch.testing.assert_close(model(both)[0, -1, 0], hidden)


@torch.no_grad()
def test_a_frame_sees_the_past_alone() -> None:
    model, given = made(), clips()
    other = given.clone()
    other[:, :, 4:] += 1
    first, second = model(given), model(other)
    torch.testing.assert_close(first[:, :4], second[:, :4])
    assert not torch.allclose(first[:, 4:], second[:, 4:])


def test_dropout_between_layers_acts_in_training_alone() -> None:
    model = made(dropout=0.5)
    assert torch.equal(model(clips()), model(clips()))
    model.train()
    assert not torch.equal(model(clips()), model(clips()))
    single = made(dropout=0.5, layers=1).train()
    assert torch.equal(single(clips()), single(clips()))


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="width is 0; it must be at least 1"):
        Options(width=0)
    with pytest.raises(ValueError, match="layers is 0; it must be at least 1"):
        Options(layers=0)
    with pytest.raises(ValueError, match=r"dropout is 1\.0; it must be at least 0 and below 1"):
        Options(dropout=1.0)
