"""What is special to the temporal ConvNet: its size, the order of frames, and which options are refused."""

from __future__ import annotations

import pytest
import torch

from manifests.facts import layout
from zoo.backbones.tcn import Model, Options


def clips(frames: int = 16, bodies: int = 1) -> torch.Tensor:
    return torch.randn(2, bodies, frames, 20, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("kernel", "weights"), [(3, 53_568), (5, 89_280)])
def test_size_on_three_streams_of_kinect20(kernel: int, weights: int) -> None:
    model = Model(layout("kinect20"), 9, 1, Options(kernel=kernel))
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.dim() == 3) == weights
    assert model.eval()(clips()).shape == (2, 4, 1, 96)


def test_strides_set_the_frames_of_the_map() -> None:
    model = Model(layout("kinect20"), 9, 1, Options(widths=(8, 16), strides=(1, 1))).eval()
    assert model(clips(13)).shape == (2, 13, 1, 16)


def test_the_order_of_frames_matters() -> None:
    torch.manual_seed(0)
    model = Model(layout("kinect20"), 9, 1, Options()).eval()
    assert not torch.allclose(model(clips()).mean(1), model(clips().flip(2)).mean(1), atol=1e-2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": ()}, r"widths is \(\); name the channels of at least one layer"),
        ({"kernel": 4}, "kernel is 4; it must be odd and at least 1"),
        ({"strides": (1, 2)}, r"strides is \(1, 2\); give one of at least 1 for each of widths \(48, 64, 96\)"),
        ({"strides": (1, 0, 2)}, r"strides is \(1, 0, 2\); give one"),
    ],
)
def test_options_that_make_no_network_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
