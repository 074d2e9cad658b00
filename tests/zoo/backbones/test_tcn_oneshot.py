"""What is special to TCN-OneShot: its 423 numbers, that they do not depend on place, direction and size, its layers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import FIVE
from torch import Tensor

from manifests.facts import layout
from zoo.backbones._backbone import ShapeError
from zoo.backbones.tcn_oneshot import Model, Options, PoseFeatures, ResidualBlock
from zoo.parts.view_alignment import rotations


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 2, Options(**options)).eval()  # type: ignore[arg-type]


def clips(frames: int = 9, bodies: int = 2, joints: int = 25, axes: int = 3) -> Tensor:
    return torch.randn(2, bodies, frames, joints, axes, generator=torch.Generator().manual_seed(1))


def test_a_frame_of_kinect_has_423_numbers_and_the_map_one_vector() -> None:
    assert PoseFeatures(layout("ntu25"), 3).width == 300 + 75 + 48 == 423
    assert PoseFeatures(layout("openpose18"), 3).width == 153 + 36 + 17
    assert made()(clips()).shape == (2, 1, 1, 256)


def test_numbers_written_out() -> None:
    pose, body = PoseFeatures(layout("ntu25"), 3), clips()[0, :1].double()
    frame, numbers = body[0, 3], pose(body)[0, 3]
    origin = (frame[12] + frame[16]) / 2
    scale = 0.4 / ((frame[20] - frame[1]).norm() + (frame[1] - origin).norm())
    z = (frame[20] - origin) / (frame[20] - origin).norm()
    side = frame[12] - origin
    x = side - (side @ z) * z
    x = x / x.norm()
    y = torch.linalg.cross(z, x)
    coordinates = (frame - origin) @ torch.stack([x, y, z], dim=1) * scale
    distances = [(frame[i] - frame[j]).norm() * scale for i in range(25) for j in range(i + 1, 25)]
    angles = []
    for child, parent in layout("ntu25").bones:
        a, b, c = (coordinates[child] - coordinates[parent]).tolist()
        angles += [math.atan2(c, math.hypot(a, b)), math.atan2(b, a)]
    expected = torch.cat([torch.stack(distances), coordinates.flatten(), torch.tensor(angles, dtype=torch.float64)])
    torch.testing.assert_close(numbers, expected)


@pytest.mark.parametrize("name", ["ntu25", "kinect20", "coco17", "openpose18"])
def test_place_direction_and_size_do_not_matter(name: str) -> None:
    skeleton = layout(name)
    pose, body = PoseFeatures(skeleton, 3), clips(joints=len(skeleton.joints))[0].double()
    moved = body * 3 + torch.tensor([1.0, -2.0, 0.5])
    if skeleton.axes == 3:
        moved = moved @ rotations((0.0, 70.0))[3]
    torch.testing.assert_close(pose(moved)[..., :5], pose(body)[..., :5])
    torch.testing.assert_close(pose(moved), pose(body))


def test_a_body_of_zeros_has_finite_numbers_and_gradients() -> None:
    body = torch.zeros(1, 2, 25, 3, requires_grad=True)
    numbers = PoseFeatures(layout("ntu25"), 3)(body)
    assert numbers.eq(0).all()
    assert torch.isfinite(torch.autograd.grad(numbers.square().sum(), body)[0]).all()


@torch.no_grad()
def test_a_block_written_out() -> None:
    torch.manual_seed(0)
    block, given = ResidualBlock(3, 5, kernel=2, dilation=2, dropout=0.5).eval(), torch.randn(1, 3, 6)
    inner = torch.zeros(5, 6)
    for t in range(6):
        past = given[0, :, t - 2] if t >= 2 else torch.zeros(3)
        inner[:, t] = F.relu(
            block.first.weight[..., 0] @ past + block.first.weight[..., 1] @ given[0, :, t] + block.first.bias
        )
    added = torch.zeros(5, 6)
    for t in range(6):
        past = inner[:, t - 2] if t >= 2 else torch.zeros(5)
        added[:, t] = F.relu(
            block.second.weight[..., 0] @ past + block.second.weight[..., 1] @ inner[:, t] + block.second.bias
        )
    out, skip = block(given)
    torch.testing.assert_close(skip[0], added)
    torch.testing.assert_close(
        out[0], F.relu(block.match.weight[..., 0] @ given[0] + block.match.bias[:, None] + added)
    )


@torch.no_grad()
def test_the_vector_is_the_sum_of_skip_connections_at_the_last_frame() -> None:
    model, given = made(width=8, stacks=2, dilations=(1, 2)), clips()
    frames, total = model.pose(given.flatten(0, 1)).mT, 0
    for layer in model.layers:
        frames, skip = layer(frames)
        total = total + skip[..., -1]
    assert len(model.layers) == 4
    torch.testing.assert_close(model(given)[:, 0, 0], total.unflatten(0, (2, 2)).mean(1))


@torch.no_grad()
def test_only_coordinates_are_used_and_the_vector_may_have_unit_length() -> None:
    given = clips()
    torch.manual_seed(0)
    fused = Model(layout("ntu25"), 6, 2, Options()).eval()
    torch.testing.assert_close(fused(torch.cat([given, torch.randn(given.shape)], dim=-1)), made()(given))
    alone = given[:, :1]
    torch.manual_seed(0)
    unit = Model(layout("ntu25"), 3, 1, Options(unit=True)).eval()
    torch.testing.assert_close(unit(alone).norm(dim=-1), torch.ones(2, 1, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mirror": ()}, "3 channels, 0 mirror pairs and the centre `chest`. Choose another backbone"),
        ({"hips": (1,)}, "a centre that is not one of the hips. Layout `five`"),
    ],
)
def test_a_layout_without_a_frame_of_reference_is_refused(change: dict, words: str) -> None:
    assert PoseFeatures(FIVE, 3).width == 10 + 15 + 8
    with pytest.raises(ShapeError, match=words):
        Model(replace(FIVE, **change), 3, 1, Options())
    with pytest.raises(ShapeError, match="Layout `five` has 1 channels"):
        Model(FIVE, 1, 1, Options())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dilations": ()}, r"dilations is \(\); name one or more, each at least 1"),
        ({"kernel": 0}, "kernel is 0; it must be at least 1"),
        ({"dropout": 1.0}, r"dropout is 1\.0"),
    ],
)
def test_options_are_checked(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
