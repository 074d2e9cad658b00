"""The geometry vector against its definition written out in numpy, and what the definition leaves open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from episodes.recorded import Recorded
from manifests.facts import layout
from manifests.layout import Layout
from zoo.backbones._backbone import ShapeError
from zoo.backbones.geometry import Model, Options

KINECT = layout("kinect20")


def bodies(count: int = 5, frames: int = 16, skeleton: Layout = KINECT) -> torch.Tensor:
    """Random walks of a body, metres away from the camera."""
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(count, 1, frames, len(skeleton.joints), 3, generator=generator)
    return pose + torch.randn(count, 1, frames, 1, 3, generator=generator).cumsum(2) + 3


def geometry(clips: torch.Tensor, skeleton: Layout = KINECT) -> torch.Tensor:
    return Model(skeleton, clips.shape[-1], clips.shape[1], Options())(clips)


def literal(body: NDArray[np.float64], skeleton: Layout) -> NDArray[np.float64]:
    """One vector of one body (16, V, 3) in metres with y up: pose, path, height, speed."""
    other = list(range(len(skeleton.joints)))
    for left, right in skeleton.mirror:
        other[left], other[right] = right, left
    hip = body[:, skeleton.hips[0]]
    relative = body - hip[:, None]
    pose = np.stack([(relative[2 * t] + relative[2 * t + 1]) / 2 for t in range(8)])
    mirrored = pose[:, other] * [-1, 1, 1]
    moments = np.stack([(hip[2 * t] + hip[2 * t + 1]) / 2 for t in range(8)])
    distance = np.hypot(moments[:, 0] - hip[0, 0], moments[:, 2] - hip[0, 2])
    height = moments[:, 1] - hip[:, 1].max()
    speed = np.mean([np.linalg.norm(relative[t + 1] - relative[t], axis=-1) for t in range(15)], axis=0)
    parts = (
        *((pose + mirrored) / 2, np.abs(pose - mirrored) / 2, distance, 3 * height),
        *(5 * (speed + speed[other]) / 2, 5 * np.abs(speed - speed[other]) / 2),
    )
    return np.concatenate([part.ravel() for part in parts])


def distances(vectors: torch.Tensor) -> torch.Tensor:
    return (vectors[:, None] - vectors[None]).square().flatten(2).sum(-1)


@pytest.mark.parametrize("name", ["kinect20", "ntu25"])
def test_squared_distances_are_those_of_the_literal_vector(name: str) -> None:
    skeleton = layout(name)
    clips = bodies(skeleton=skeleton).double()
    vectors = torch.from_numpy(np.stack([literal(clip[0].numpy(), skeleton) for clip in clips]))
    torch.testing.assert_close(distances(geometry(clips, skeleton)), distances(vectors))


def test_height_and_speed_are_those_of_the_streams() -> None:
    """One definition of hips and up: the streams of recorded coordinates have the same values frame by frame."""
    clips = bodies()
    recorded = Recorded(clips, torch.ones(clips.shape[:-1], dtype=torch.bool), KINECT)
    maps = geometry(clips, replace(KINECT, mirror=()))[:, :, 0]
    height = recorded.height()[:, 0, :, 0, 0].unflatten(1, (8, 2)).mean(2)
    torch.testing.assert_close(maps[..., 61], 3 * height)
    speed = recorded.speed()[:, 0, :, :, 0].sum(1) / 15
    torch.testing.assert_close(maps[..., 62:], (5 * speed / 8**0.5)[:, None].expand(-1, 8, -1))


def test_a_mirrored_clip_has_the_same_map() -> None:
    model = Model(KINECT, 3, 1, Options())
    mirrored = bodies()[..., model.swap, :] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(model(mirrored), model(bodies()))


def test_the_scale_of_parts_does_not_depend_on_the_number_of_frames() -> None:
    """Twice the frames of a body that stands and moves along straight lines: each moment has nearly the same map."""
    steps = torch.linspace(0, 1, 64).view(1, 1, 64, 1, 1) * torch.rand(1, 1, 1, 20, 3) + torch.rand(1, 1, 1, 20, 3)
    coarse, fine = geometry(steps[:, :, ::4]), geometry(steps[:, :, ::2])
    torch.testing.assert_close(coarse[0, 0, 0, -20:], fine[0, 0, 0, -20:], rtol=0.05, atol=0.0)


def test_two_bodies_are_averaged_and_an_empty_one_is_not() -> None:
    one, two = bodies()[:2]
    torch.testing.assert_close(geometry(torch.stack([one, two], 1))[0], geometry(torch.stack([one, two])).mean(0))
    torch.testing.assert_close(
        geometry(torch.cat([one, torch.zeros_like(one)])[None]), geometry(one[None]), rtol=0, atol=0
    )


def test_a_layout_without_mirror_pairs_has_the_plain_pose() -> None:
    clips = bodies()
    plain = geometry(clips, replace(KINECT, mirror=()))
    pose = (clips - clips[..., :1, :])[:, 0].unflatten(1, (8, 2)).mean(2)
    assert plain.shape == (5, 8, 1, 20 * 4 + 2)
    torch.testing.assert_close(plain[:, :, 0, :60], pose.flatten(2))


def test_the_layouts_vertical_axis_is_used() -> None:
    """z up is y up with the axes in another order, and a plane is mirrored across its horizontal axis."""
    z_up = replace(KINECT, up="z")
    swapped = bodies()[..., [0, 2, 1]]
    torch.testing.assert_close(distances(geometry(swapped, z_up)), distances(geometry(bodies())))
    down = replace(KINECT, up="-y")
    turned = bodies() * torch.tensor([1.0, -1.0, 1.0])
    torch.testing.assert_close(distances(geometry(turned, down)), distances(geometry(bodies())))


def test_images_are_compared_in_units_of_the_body() -> None:
    skeleton = layout("coco17")
    clips = bodies(skeleton=skeleton).abs()
    larger = clips * torch.tensor([3.0, 3.0, 1.0])
    torch.testing.assert_close(geometry(larger, skeleton), geometry(clips, skeleton))
    assert not torch.allclose(geometry(3 * bodies()), geometry(bodies()))


def test_unseen_joints_stay_where_they_were() -> None:
    clips = bodies()
    held = clips.clone()
    clips[0, 0, 4:9, 7] = 0
    held[0, 0, 4:9, 7] = held[0, 0, 3, 7]
    torch.testing.assert_close(geometry(clips), geometry(held))


def test_a_body_that_comes_late_is_where_it_is_seen_first() -> None:
    clips = bodies()
    held = clips.clone()
    clips[0, 0, :4] = 0
    held[0, 0, :4] = held[0, 0, 4]
    torch.testing.assert_close(geometry(clips), geometry(held))


def test_without_hips_the_middle_of_all_joints_stands_in() -> None:
    clips = bodies()
    clips[..., 0, :] = 0
    moved = clips.clone()
    moved[..., 1:, :] += torch.tensor([1.0, 0.0, 2.0])
    torch.testing.assert_close(geometry(moved), geometry(clips), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 13])
def test_any_number_of_frames(frames: int) -> None:
    maps = geometry(bodies(frames=frames))
    assert maps.shape == (5, (frames + 1) // 2, 1, 2 * 20 * 4 + 2)
    assert torch.isfinite(maps).all()


def test_channels_without_the_vertical_axis_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"geometry needs the axis `z` of layout `kinect20` and has 2 channels"):
        Model(replace(KINECT, up="z"), 2, 1, Options())
