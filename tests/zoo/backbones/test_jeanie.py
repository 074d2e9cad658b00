"""What is special to JEANIE's encoder: its blocks, its graph convolution, normalisation, and its form for one block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones.jeanie import Model, Options, blocks


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 2, Options(**options)).eval()  # type: ignore[arg-type]


def clips(frames: int = 14, bodies: int = 2) -> Tensor:
    return torch.randn(2, bodies, frames, 25, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("frames", "count"), [(8, 1), (12, 2), (14, 3), (64, 15), (3, 1)])
def test_blocks_overlap_and_the_last_ends_with_the_clip(frames: int, count: int) -> None:
    model = made()
    assert model(clips(frames)).shape == (2, count, 1, 100)
    last = blocks(torch.arange(float(frames))[None], 8, 4)[0, -1]
    assert last[-1] == frames - 1
    assert frames >= 8 or last.tolist() == [0, 1, 2, 2, 2, 2, 2, 2]


@torch.no_grad()
def test_one_block_written_out() -> None:
    model, given = made(frames=4, stride=4, joint_width=6, width=5, degree=3, alpha=0.25), clips(frames=4)[:1]
    assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [0.5]
    body = given[0, 0] - given[0, 0, :, 1:2]
    body = body / body.abs().amax((0, 1))
    features = torch.stack([model.joints(body[:, joint].flatten()) for joint in range(25)])
    edges = torch.eye(25)
    for child, parent in layout("ntu25").bones:
        edges[child, parent] = edges[parent, child] = 1
    degree = edges.sum(1).diag().inverse().sqrt()
    adjacency, power, total = degree @ edges @ degree, features, torch.zeros_like(features)
    for _ in range(3):
        power = adjacency @ power
        total = total + 0.75 * power + 0.25 * features
    expected = model.blocks((total / 3).flatten())
    alone = given.clone()
    alone[:, 1] = 0
    torch.testing.assert_close(model(alone)[0, 0, 0], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_place_and_size_do_not_matter_where_clips_are_normalised() -> None:
    given, moved = clips(), 3 * clips() + torch.tensor([1.0, -2.0, 3.0])
    model = made()
    torch.testing.assert_close(model(moved), model(given), rtol=1e-3, atol=1e-4)
    plain = made(normalise=False)
    assert not torch.allclose(plain(moved), plain(given), rtol=1e-2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 0}, "stride is 0; it must be at least 1"),
        ({"dropout": 1.0}, r"dropout is 1\.0; it must be at least 0 and below 1"),
        ({"alpha": 1.5}, r"alpha is 1\.5; it must be 0 \(only neighbours\) to 1"),
    ],
)
def test_options_are_checked(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
