"""DASTM's frame draw and CTR-GCN's rotation against numbers that the authors' own code computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fakes import FakeStore
from helpers.shared import shared

from episodes.augment import rotation, transform
from episodes.pool import Pool
from episodes.resample import Sampling, sample, scramble

LENGTHS = (103, 30, 20)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(shared("golden/sampling_and_crop.npz")) as arrays:
        return dict(arrays)


def skeleton(seed: int, C: int, T: int, V: int, M: int) -> np.ndarray:
    """The synthetic clip of this seed, (C, T, V, M): the rule in golden/INDEX.md."""
    random = np.random.default_rng(seed)
    offset = random.standard_normal((1, C, 1, V, M)) * 0.5
    shape = (3, 1, C, 1, V, M)
    size, pace, phase = (
        random.uniform(0.05, 0.4, shape),
        random.uniform(0.3, 2.5, shape),
        random.uniform(0, 2 * np.pi, shape),
    )
    time = (np.arange(T) / T)[:, None, None]
    return (offset + (size * np.sin(2 * np.pi * pace * time + phase)).sum(0)).astype(np.float32)[0]


def clips() -> Pool:
    """The three clips at their real lengths."""
    parts = [skeleton(7010 + i, 3, 120, 25, 2).transpose(1, 3, 2, 0)[:n] for i, n in enumerate(LENGTHS)]
    store = FakeStore(LENGTHS, [0, 0, 0])
    store._joints = np.concatenate(parts)
    return Pool.load(store)


def test_the_official_draw_obeys_the_rule(golden: dict[str, np.ndarray]) -> None:
    index = torch.from_numpy(golden["dastm_idx"])
    ours = sample(torch.tensor(LENGTHS), torch.arange(3), Sampling(30, "dastm_official"), train=True)
    assert torch.equal(index[0] // 3, torch.arange(30))
    assert torch.equal(ours[0] // 3, torch.arange(30))
    assert torch.equal(ours[1], index[1])
    assert torch.equal(ours[2].where(ours[2] >= 0, index[2]), index[2])


def test_official_frames_scrambled_are_the_authors_tensor(golden: dict[str, np.ndarray]) -> None:
    pool, one = clips(), torch.arange(3)
    index = torch.from_numpy(golden["dastm_idx"])
    frame = torch.where(index < pool.length[:, None], index, -1)
    out = scramble(pool.gather(pool.rows(one, frame)), pool.length)
    theirs = out.permute(0, 4, 2, 3, 1).numpy()
    stride = -(-theirs.size // golden["dastm_extract_sub"].size)
    np.testing.assert_array_equal(theirs.reshape(-1)[::stride], golden["dastm_extract_sub"])
    exact = theirs.astype(np.float64)
    stats = [exact.mean(), exact.std(), np.linalg.norm(exact), exact.min(), exact.max()]
    np.testing.assert_allclose(stats, golden["dastm_extract_stats"], rtol=1e-6)


def test_rotation_is_the_authors_matrix(golden: dict[str, np.ndarray]) -> None:
    matrix = rotation(-torch.tensor([0.21, -0.17, 0.08]))
    np.testing.assert_allclose(matrix.numpy(), golden["rot_matrix"], atol=1e-6)
    before = torch.from_numpy(golden["crop_vf103_p0.95_w64_joint5_person0"]).T[None, :, None]
    after = transform(before, matrix)[0, :, 0].T
    np.testing.assert_allclose(after.numpy(), golden["rot_out_joint5_person0"], atol=1e-5)
