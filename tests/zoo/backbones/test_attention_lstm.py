"""What is special to the pooled LSTM: its three poolings written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones.attention_lstm import Model, Options

POOLINGS = ("attention", "fully_connected", "average")


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 1, Options(**options)).eval()  # type: ignore[arg-type]


def clips(frames: int = 6) -> Tensor:
    return torch.randn(2, 1, frames, 25, 3, generator=torch.Generator().manual_seed(1))


def outputs(model: Model, given: Tensor) -> Tensor:
    """The outputs of both directions; batch statistics are 0 and 1."""
    return model.layers(given[:, 0].flatten(2) / (1 + model.norm.eps) ** 0.5)[0]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_gives_one_vector_and_trains_all_weights(pooling: str) -> None:
    model = made(pooling=pooling, width=8, connected=5).train()
    maps = model(clips())
    assert maps.shape == (2, 1, 1, 5 if pooling == "fully_connected" else 16)
    maps.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@torch.no_grad()
def test_average() -> None:
    model, given = made(pooling="average", width=8), clips()
    torch.testing.assert_close(model(given)[:, 0, 0], outputs(model, given).mean(1))


@torch.no_grad()
def test_fully_connected_sees_the_last_state_of_each_direction() -> None:
    model, given = made(pooling="fully_connected", width=8), clips()
    frames = outputs(model, given)
    last = torch.cat([frames[:, -1, :8], frames[:, 0, 8:]], dim=-1)
    torch.testing.assert_close(model(given)[:, 0, 0], (last @ model.connected.weight.T + model.connected.bias).relu())


@torch.no_grad()
@pytest.mark.parametrize("refinements", [1, 2])
def test_attention_written_out(refinements: int) -> None:
    model, given = made(width=4, refinements=refinements), clips()
    for number, frames in enumerate(outputs(model, given)):
        context = frames.mean(0)
        for _ in range(refinements):
            hidden = [torch.tanh(model.attention(torch.cat([frame, context]))) for frame in frames]
            share = torch.cat([model.informativeness(each) for each in hidden]).softmax(0)
            context = sum(weight * frame for weight, frame in zip(share, frames, strict=True))
        torch.testing.assert_close(model(given)[number, 0, 0], context)


def test_dropout_acts_in_training_alone() -> None:
    model = made(dropout=0.5)
    assert torch.equal(model(clips()), model(clips()))
    model.train()
    assert not torch.equal(model(clips()), model(clips()))


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="refinements is 0; it must be at least 1"):
        Options(refinements=0)
    with pytest.raises(ValueError, match=r"dropout is 1\.0; it must be at least 0 and below 1"):
        Options(dropout=1.0)
