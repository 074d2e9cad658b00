"""Streams of recorded coordinates against literal loops over clips, bodies, frames and joints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.fakes import FakeStore
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes.augment import Augment, flips, swaps
from episodes.pool import Pool
from episodes.recorded import Recorded
from episodes.resample import Sampling
from episodes.streams import STREAMS, channels
from episodes.transform import ClipTransform
from manifests.facts import layout

NTU, COCO = layout("ntu25"), layout("coco17")
STORE = FakeStore([9, 20, 14, 3], [0, 0, 1, 1], bodies=[2, 1, 2, 1])
POOL = Pool.load(STORE)
CLIPS = torch.arange(4)
SWAP = swaps(NTU.mirror, 25)


def serve(*streams: str, pool: Pool = POOL, **options: Any) -> ClipTransform:
    return ClipTransform(pool, NTU, Sampling(7), streams, **options)


def literal_clip(clip: int) -> np.ndarray:
    """The recorded joints (M, T, V, C) of the centres of seven segments; zeros for an absent body."""
    start, length = STORE.offsets[clip], int(np.diff(STORE.offsets)[clip])
    taken = np.zeros((2, 7, 25, 3))
    for t in range(7):
        frame = start + (2 * t + 1) * length // 14
        for body in np.flatnonzero(STORE.body_mask[frame]):
            for joint in range(25):
                before = STORE.joints(frame, frame + 1)[0, body, joint].astype(float)
                taken[body, t, joint] = STORE.to_recorded[clip] @ before + STORE.origin(frame, frame + 1)[0]
    return taken


def literal_streams(recorded: np.ndarray, root: int) -> tuple[np.ndarray, ...]:
    """Path, height and speed (M, T, V) of a clip with y up."""
    path, height, speed = (np.zeros(recorded.shape[:3]) for _ in range(3))
    for m, body in enumerate(recorded):
        highest = max(body[t, root, 1] for t in range(len(body)))
        for t, frame in enumerate(body):
            path[m, t] = np.hypot(frame[root, 0] - body[0, root, 0], frame[root, 2] - body[0, root, 2])
            height[m, t] = frame[root, 1] - highest
            for joint in range(25 if t + 1 < len(body) else 0):
                step = body[t + 1, joint] - frame[joint] - (body[t + 1, root] - frame[root])
                speed[m, t, joint] = np.linalg.norm(step)
    return path, height, speed


def test_recorded_streams_are_the_literal_ones() -> None:
    served = serve(*STREAMS[4:]).view(CLIPS)
    assert served.shape == (4, 2, 7, 25, channels(STREAMS[4:], 3)) == (4, 2, 7, 25, 6)
    joints, path, height, speed = served.double().split([3, 1, 1, 1], dim=-1)
    for clip in range(4):
        expected = literal_clip(clip)
        np.testing.assert_allclose(joints[clip], expected, atol=1e-5)
        for seen, literal in zip((path, height, speed), literal_streams(expected, NTU.hips[0]), strict=True):
            np.testing.assert_allclose(seen[clip, ..., 0], literal, atol=1e-5)
    assert bool((height <= 0).all())
    # Clips 1 and 3 have one body.
    assert not served[1::2, 1].any()


def test_streams_of_both_kinds_lie_side_by_side() -> None:
    assert channels(STREAMS, 3) == 4 * 3 + 3 + 3
    served = serve("joint", "speed", "bone").view(CLIPS)
    joint, speed, bone = served.split([3, 1, 3], dim=-1)
    assert torch.equal(joint, serve("joint").view(CLIPS))
    assert torch.equal(speed, serve("speed").view(CLIPS))
    assert torch.equal(bone, serve("bone").view(CLIPS))


def test_augmentation_turns_and_scales_preprocessed_joints_only() -> None:
    wild = Augment((30.0, 60.0, 90.0), (0.5, 1.5))
    plain, turned = (serve("joint", *STREAMS[4:], train=True, augment=options) for options in (Augment(), wild))
    key = torch.arange(4)
    assert torch.equal(plain.clips(CLIPS, key)[..., 3:], turned.clips(CLIPS, key)[..., 3:])
    assert not torch.allclose(plain.clips(CLIPS, key)[..., :3], turned.clips(CLIPS, key)[..., :3])


def test_a_mirrored_clip_is_reflected_at_its_own_centre() -> None:
    plain, mirrored = (serve(*STREAMS[4:]).view(CLIPS, mirrored=flag) for flag in (False, True))
    for clip in range(4):
        before, after = plain[clip, ..., :3], mirrored[clip, ..., :3]
        there = before.flatten(-2).any(-1)
        centre = before[there][..., 0].mean()
        torch.testing.assert_close(after[there][..., 0], (2 * centre - before[there][..., 0])[:, SWAP])
        torch.testing.assert_close(after[there][..., 0].mean(), centre)
    assert torch.equal(mirrored[..., 1:3], plain[..., SWAP, 1:3])
    # The root is on the axis of the body: path and height stay, speeds change sides.
    torch.testing.assert_close(mirrored[..., 3:5], plain[..., 3:5], rtol=0, atol=1e-5)
    torch.testing.assert_close(mirrored[..., 5], plain[..., SWAP, 5], rtol=0, atol=1e-5)


def test_augmentation_mirrors_recorded_coordinates_of_the_same_clips() -> None:
    half, key = Augment(mirror=0.5), torch.arange(64)
    clip = key % 4
    flip = flips(key, half)
    assert 16 < int(flip.sum()) < 48
    tested, training = (serve("joint", *STREAMS[4:], train=train, augment=half) for train in (False, True))
    frames = training.rows(clip, key)
    taken = training.gather(frames, clip, key)
    plain = replace_mirror(tested, 0.0).gather(frames, clip, key)
    always = replace_mirror(tested, 1.0).gather(frames, clip, key)
    assert torch.equal(taken, torch.where(flip[:, None, None, None, None], always, plain))


def replace_mirror(transform: ClipTransform, probability: float) -> ClipTransform:
    return serve(*transform.streams, train=True, augment=Augment(mirror=probability))


def test_joints_alone_cost_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorded, "of", None)
    monkeypatch.setattr(Pool, "origins", None)
    serve("joint", "bone").view(CLIPS)
    serve("joint", train=True, augment=Augment(mirror=0.5)).clips(CLIPS, CLIPS)


def test_in_an_image_y_points_down_and_a_score_of_zero_is_no_joint() -> None:
    joints = torch.rand(1, 1, 4, 17, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    joints[0, 0, 1, 5, 2] = 0
    joints[0, 0, 2, COCO.hips[0], 2] = 0
    eye, origin = torch.eye(3)[None], torch.tensor([0.5, 0.5, 0.0]).expand(1, 1, 4, 3)
    there = Recorded.of(joints, eye, origin, COCO)
    assert torch.equal(there.joints[..., 2], joints[..., 2])
    assert not there.joints[0, 0, 1, 5].any()
    root = there.joints[0, 0, :, list(COCO.hips)].mean(1)
    torch.testing.assert_close(there.height()[0, 0, [0, 1, 3], 0, 0], root[[0, 1, 3], 1].min() - root[[0, 1, 3], 1])
    torch.testing.assert_close(there.path()[0, 0, [0, 1, 3], 0, 0], (root[[0, 1, 3], 0] - root[0, 0]).abs())
    # Frame 2 has no root: no path, no height, and no speed in frames 1 and 2.
    assert not torch.cat([there.path(), there.height()], dim=-1)[0, 0, 2].any()
    assert not there.speed()[0, 0, 1:].any()
    assert there.speed()[0, 0, 0].count_nonzero() == 16  # not joint 5, which frame 1 lacks


def test_a_body_that_comes_later_starts_where_it_is_first_seen() -> None:
    joints = torch.rand(1, 1, 4, 25, 3, generator=torch.Generator().manual_seed(0))
    joints[0, 0, :2] = 0
    there = Recorded.of(joints, torch.eye(3)[None], torch.ones(1, 1, 4, 3), NTU)
    assert not there.joints[0, 0, :2].any()
    assert not there.path()[0, 0, :3].any()
    assert bool((there.path()[0, 0, 3] > 0).all())
    assert there.speed()[0, 0, 2].any()
    assert not there.speed()[0, 0, :2].any()


@given(seed=st.integers(0, 2**31), shift=st.floats(-5, 5), turn=st.floats(-3, 3), frames=st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_streams_do_not_depend_on_where_and_how_a_clip_was_recorded(
    seed: int, shift: float, turn: float, frames: int
) -> None:
    """A clip that is moved, or turned about the vertical, has the same path, height and speed."""
    joints = torch.randn(2, 2, frames, 25, 3, generator=torch.Generator().manual_seed(seed))
    joints[1, 1] = 0
    angle = torch.tensor(turn)
    matrix = torch.eye(3).repeat(2, 1, 1)
    matrix[:, 0, 0], matrix[:, 0, 2], matrix[:, 2, 0], matrix[:, 2, 2] = (
        angle.cos(), angle.sin(), -angle.sin(), angle.cos(),
    )  # fmt: skip
    plain = Recorded.of(joints, torch.eye(3).repeat(2, 1, 1), torch.zeros(2, 2, frames, 3), NTU)
    moved = Recorded.of(joints, matrix, torch.full((2, 2, frames, 3), shift), NTU)
    for name in ("path", "height", "speed"):
        torch.testing.assert_close(getattr(moved, name)(), getattr(plain, name)(), rtol=1e-4, atol=1e-4)
        assert not getattr(moved, name)()[1, 1].any()
    assert not moved.path()[:, :, 0].any()
    swap, flip = torch.tensor(SWAP), torch.tensor([True, False])
    once = moved.mirrored(swap, flip)
    assert torch.equal(once.joints[1], moved.joints[1])
    torch.testing.assert_close(once.mirrored(swap, flip).joints, moved.joints, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(once.speed()[0], moved.speed()[0][..., swap, :], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(once.path(), moved.path(), rtol=1e-4, atol=1e-4)


def test_the_streams_of_half_pools_are_near_those_of_full_ones() -> None:
    half = Pool.load(STORE, dtype=torch.float16)
    difference = serve(*STREAMS[4:], pool=half).view(CLIPS) - serve(*STREAMS[4:]).view(CLIPS)
    assert 0 < float(difference.abs().max()) < 0.02


def test_a_layout_turned_on_its_side_measures_the_same() -> None:
    """`up` names the axis, `sign` its direction."""
    joints = torch.randn(1, 1, 5, 25, 3, generator=torch.Generator().manual_seed(1))
    eye, zeros = torch.eye(3)[None], torch.zeros(1, 1, 5, 3)
    upright = Recorded.of(joints, eye, zeros, NTU)
    lying = joints[..., [0, 2, 1]]
    lying[..., 2] *= -1
    other = Recorded.of(lying, eye, zeros, replace(NTU, up="-z"))
    for name in ("path", "height", "speed"):
        torch.testing.assert_close(getattr(other, name)(), getattr(upright, name)())
