from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from episodes.counter import fold_in, split
from episodes.options import EpisodeError
from episodes.resample import RULES, Sampling, sample, scramble

lengths = st.lists(st.integers(1, 2_000), min_size=1, max_size=5)


def drawn(length: list[int], rule: str, frames: int, train: bool, seed: int = 0) -> torch.Tensor:
    key = split(fold_in(seed), torch.arange(len(length)))
    return sample(torch.tensor(length), key, Sampling(frames, rule), train)


@pytest.mark.parametrize("rule", RULES)
@given(lengths, st.integers(1, 70), st.booleans(), st.integers(0, 99))
def test_frames_are_inside_the_clip_and_in_order(
    rule: str, length: list[int], frames: int, train: bool, seed: int
) -> None:
    index = drawn(length, rule, frames, train, seed)
    assert index.shape == (len(length), frames)
    assert bool((index < torch.tensor(length)[:, None]).all())
    shown = index >= 0
    assert bool((index.diff(dim=1)[shown[:, 1:]] >= 0).all())
    if rule != "dastm_official":
        assert bool(shown.all())


@given(lengths, st.integers(1, 70), st.integers(0, 99))
def test_a_segments_frame_lies_in_its_part(length: list[int], frames: int, seed: int) -> None:
    for train in (True, False):
        index, L = drawn(length, "segments", frames, train, seed), torch.tensor(length)[:, None]
        part = torch.arange(frames)
        assert bool((index >= part * L // frames).all())
        assert bool((index * frames < (part + 1) * L).all())


def test_segments_reach_every_frame_equally_often() -> None:
    counts = torch.bincount(drawn([37] * 20_000, "segments", 10, train=True).flatten(), minlength=37)
    share = 20_000 * 10 / 37
    assert (counts - share).abs().max() < 5 * share**0.5


def test_the_last_segment_cannot_leave_the_clip() -> None:
    """The largest random number, at every length up to an hour and a half of video."""
    length = torch.arange(1, 100_001)
    for frames in (1, 2, 3, 7, 30, 64):
        place = (frames - 1.0 + torch.tensor(1 - 2.0**-32, dtype=torch.float64)) * length / frames
        assert torch.equal(place.long(), length - 1) or bool((place.long() <= length - 1).all())


def test_segments_centre_equals_the_exact_fraction() -> None:
    for frames in (1, 7, 30, 64):
        index = drawn(list(range(1, 400)), "segments", frames, train=False)
        exact = [[(2 * j + 1) * L // (2 * frames) for j in range(frames)] for L in range(1, 400)]
        assert index.tolist() == exact


@pytest.mark.parametrize("frames", [1, 2, 30, 52])
def test_linspace_is_numpys(frames: int) -> None:
    expected = [np.linspace(0, L - 1, frames).astype(int).tolist() for L in range(1, 400)]
    assert drawn(list(range(1, 400)), "linspace", frames, train=False).tolist() == expected


def test_sorted_random_repeats_and_reaches_everything() -> None:
    index = drawn([5] * 1000, "sorted_random", 52, train=True)
    assert set(index.flatten().tolist()) == set(range(5))
    assert len({tuple(row) for row in index.tolist()}) > 900


@given(st.integers(1, 400), st.integers(1, 60), st.integers(0, 99))
def test_dastm_official_steps(length: int, frames: int, seed: int) -> None:
    index = drawn([length], "dastm_official", frames, train=True, seed=seed)[0]
    step = length // frames
    if step:
        assert torch.equal(index // step, torch.arange(frames))
    else:
        assert index.tolist() == [t if t < length else -1 for t in range(frames)]


@pytest.mark.parametrize("rule", ["segments", "sorted_random", "dastm_official"])
def test_keys_make_the_difference(rule: str) -> None:
    index = drawn([300, 300], rule, 30, train=True)
    assert not torch.equal(index[0], index[1])
    assert torch.equal(drawn([300], rule, 30, train=True)[0], index[0])


def test_evaluation_by_segments_is_fixed() -> None:
    assert torch.equal(*(drawn([77], "segments", 30, train=False, seed=seed) for seed in (0, 1)))


def test_scramble_leaves_short_clips_alone() -> None:
    joints = torch.randn(2, 2, 4, 3, 3)
    out = scramble(joints, torch.tensor([3, 4]))
    assert torch.equal(out[0], joints[0])
    assert not torch.equal(out[1], joints[1])
    assert torch.equal(out[1].flatten().sort().values, joints[1].flatten().sort().values)


def test_unknown_rule_and_no_frames_are_refused() -> None:
    with pytest.raises(EpisodeError, match="`segment` is not a sampling rule. Did you mean `segments`"):
        Sampling(rule="segment")
    with pytest.raises(EpisodeError, match="frames is 0: a clip needs at least 1"):
        Sampling(frames=0)
