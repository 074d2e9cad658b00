"""Evaluation views of clips: mirror images and temporal samples."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from helpers.fakes import even_store
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes.augment import mirror, swaps
from episodes.options import Augment, EpisodeError
from episodes.pool import Pool
from episodes.resample import RULES, Sampling, inside_segments
from episodes.transform import ClipTransform
from manifests.facts import layout

NTU = layout("ntu25")
SWAP = torch.tensor(swaps(NTU.mirror, 25))
POOL = Pool.load(even_store(classes=6, clips=8))
CLIP, KEY = torch.tensor([7, 0, 7, 47]), torch.tensor([1, 2, 3, 4])
FIXED = [rule for rule in RULES if RULES[rule].deterministic]


def transform(rule: str = "segments", **options: Any) -> ClipTransform:
    return ClipTransform(POOL, NTU, Sampling(10, rule), **({"streams": ("joint", "bone"), "seed": 3} | options))


def test_one_rule_is_random_in_evaluation() -> None:
    assert [rule for rule in RULES if not transform(rule).deterministic] == ["sorted_random"]
    with pytest.raises(EpisodeError, match="`sorted_random` draws random frames in evaluation too.*Use `segments`"):
        transform("sorted_random").view(CLIP)


@pytest.mark.parametrize("rule", FIXED)
def test_a_view_is_what_evaluation_serves(rule: str) -> None:
    tested = transform(rule)
    assert torch.equal(tested.view(CLIP), tested.clips(CLIP, KEY))
    assert torch.equal(tested.view(CLIP), tested.clips(CLIP, KEY.flip(0)))
    wild = transform(rule, train=True, augment=Augment((20.0, 20.0, 20.0), (0.5, 1.5), 0.5))
    assert torch.equal(wild.view(CLIP), tested.view(CLIP))


@pytest.mark.parametrize("rule", FIXED)
def test_a_mirrored_view_is_the_mirror_of_augmentation(rule: str) -> None:
    plain = transform(rule, streams=("joint",))
    mirrored = plain.view(CLIP, mirrored=True)
    assert torch.equal(mirrored, mirror(plain.view(CLIP), SWAP))
    assert torch.equal(mirror(mirrored, SWAP), plain.view(CLIP))
    # The official rule draws its frames once per clip, in training too, so that both see the same frames.
    if rule == "dastm_official":
        augmented = transform(rule, streams=("joint",), train=True, augment=Augment(mirror=1.0))
        assert torch.equal(augmented.clips(CLIP, KEY), mirrored)


@given(length=st.integers(1, 300), frames=st.integers(1, 40), samples=st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_temporal_samples_lie_inside_their_segments_in_order(length: int, frames: int, samples: int) -> None:
    taken = [inside_segments(torch.tensor([length]), frames, (r + 0.5) / samples)[0] for r in range(samples)]
    for r, frame in enumerate(taken):
        exact = [(2 * r + 1 + 2 * samples * j) * length // (2 * samples * frames) for j in range(frames)]
        # Where a position is a whole number, float64 may fall just below it.
        assert all(abs(a - b) <= 1 for a, b in zip(frame.tolist(), exact, strict=True))
        part = torch.arange(frames)
        assert bool((frame >= part * length // frames).all())
        assert bool((frame < length).all())
        assert bool((frame.diff() >= 0).all())
    assert all(bool((a <= b).all()) for a, b in pairwise(taken))


def test_samples_differ_and_the_middle_one_of_three_is_the_centre() -> None:
    tested = transform()
    views = [tested.view(CLIP, sample=r, samples=3) for r in range(3)]
    assert torch.equal(views[1], tested.view(CLIP))
    assert not torch.equal(views[0], views[2])
    # The first number of a frame is clip + frame / 1000.
    frame = (tested.view(CLIP, sample=0, samples=2)[:, 0, :, 0, 0] - CLIP[:, None]) * 1000
    literal = [[(4 * j + 1) * int(length) // 40 for j in range(10)] for length in POOL.length[CLIP]]
    assert frame.round().long().tolist() == literal


@pytest.mark.parametrize("rule", ["linspace", "dastm_official"])
def test_rules_without_segments_have_one_sample(rule: str) -> None:
    with pytest.raises(EpisodeError, match=f"samples is 2, but sampling rule `{rule}` gives one temporal sample.*Use"):
        transform(rule).view(CLIP, samples=2)


@pytest.mark.parametrize(("sample", "samples"), [(2, 2), (-1, 2), (0, 0)])
def test_a_sample_that_does_not_exist_is_refused(sample: int, samples: int) -> None:
    with pytest.raises(EpisodeError, match=rf"sample is {sample} of {samples}: it must be 0\.\.samples-1"):
        transform().view(CLIP, sample=sample, samples=samples)


def test_a_layout_without_mirror_pairs_has_no_mirror_image() -> None:
    lame = ClipTransform(POOL, replace(NTU, mirror=()), Sampling(10))
    lame.view(CLIP)
    with pytest.raises(EpisodeError, match="Layout ntu25 has no mirror pairs.*Give `mirror` in the layout"):
        lame.view(CLIP, mirrored=True)
