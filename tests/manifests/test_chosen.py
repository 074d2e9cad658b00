"""The sampling rule of a split: which clips are chosen depends on their names, the seed and the number alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.split_file import split

SMALL, LARGE = split("ntu_t"), split("ntu_s")
clip_names = st.dictionaries(
    st.integers(0, 119),
    st.lists(st.text("SCPRA0123456789", min_size=1, max_size=8), max_size=90, unique=True),
    max_size=3,
).map(lambda by_label: {label: [f"{label}-{name}" for name in names] for label, names in by_label.items()})
seeds = st.integers(0, 2**31)


@given(clip_names, st.randoms(use_true_random=False))
def test_the_order_of_the_input_is_irrelevant(clips, random) -> None:  # type: ignore[no-untyped-def]
    labels = list(clips)
    random.shuffle(labels)
    shuffled = {label: random.sample(clips[label], len(clips[label])) for label in labels}
    assert SMALL.chosen(shuffled) == SMALL.chosen(clips)


@given(clip_names, seeds)
def test_choosing_again_changes_nothing(clips: dict[int, list[str]], seed: int) -> None:
    kept = SMALL.chosen(clips, seed=seed)
    part = {label: [name for name in names if name in kept] for label, names in clips.items()}
    assert SMALL.chosen(part, seed=seed) == kept
    assert all(sum(name in kept for name in names) == min(30, len(names)) for names in clips.values())


@given(clip_names, st.text(min_size=1))
def test_a_new_clip_never_changes_other_classes(clips: dict[int, list[str]], name: str) -> None:
    for label in clips:
        more = SMALL.chosen(clips | {label: [*clips[label], f"new-{name}"]})
        others = {clip for other in clips if other != label for clip in clips[other]}
        assert more & others == SMALL.chosen(clips) & others
        # Within its own class it replaces at most one clip.
        assert len((SMALL.chosen(clips) - more) & set(clips[label])) <= 1


@given(clip_names)
def test_ntu_t_lies_inside_ntu_s(clips: dict[int, list[str]]) -> None:
    kept = LARGE.chosen(clips)
    assert SMALL.chosen(clips) <= kept
    part = {label: [name for name in names if name in kept] for label, names in clips.items()}
    assert SMALL.chosen(part) == SMALL.chosen(clips)


@given(clip_names, seeds, st.integers(1, 90), st.integers(1, 90))
def test_fewer_samples_are_part_of_more(clips: dict[int, list[str]], seed: int, one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    assert SMALL.chosen(clips, seed=seed, samples=fewer) <= SMALL.chosen(clips, seed=seed, samples=more)
    assert SMALL.chosen(clips, samples=29) <= SMALL.chosen(clips, samples=30) == SMALL.chosen(clips)


@given(clip_names, seeds)
def test_seed_and_samples_default_to_those_of_the_split(clips: dict[int, list[str]], seed: int) -> None:
    assert SMALL.chosen(clips, seed=SMALL.seed, samples=SMALL.samples_per_class) == SMALL.chosen(clips)
    assert SMALL.chosen(clips, seed=seed) == replace(SMALL, seed=seed).chosen(clips)
    assert SMALL.chosen(clips, samples=60) == LARGE.chosen(clips)
    assert SMALL.chosen(clips, samples=0) == {name for names in clips.values() for name in names}


def test_another_seed_chooses_other_clips() -> None:
    clips = {0: [f"clip{number}" for number in range(200)]}
    draws = {SMALL.chosen(clips, seed=seed) for seed in range(20)}
    assert len(draws | {SMALL.chosen(clips)}) == 21
    assert {len(draw) for draw in draws} == {30}


def test_fewer_than_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"samples is -1; it must be 0 \(all\) or more"):
        SMALL.chosen({0: ["a"]}, samples=-1)


def test_zero_samples_keeps_everything() -> None:
    everything = {0: ["a", "b"], 7: [f"clip{number}" for number in range(100)]}
    assert split("demo").chosen(everything) == {name for names in everything.values() for name in names}
    assert split("nw_ucla").chosen({}) == frozenset()


def test_frozen_numbers_of_the_rule() -> None:
    # `printf ntu120/2022/<name> | sha256sum` begins d31a, e98f, 0ffa.
    names = ["S001C001P001R001A001", "S001C001P001R002A001", "S001C001P002R001A001"]
    assert SMALL.chosen({0: names}, samples=2) == {names[0], names[2]}
    assert SMALL.chosen({0: names}, samples=1) == {names[2]}


@given(clip_names, st.data())
def test_an_excluded_clip_is_never_chosen_and_the_next_one_takes_its_place(
    clips: dict[int, list[str]], data: st.DataObject
) -> None:
    excluded = {name for names in clips.values() for name in names if data.draw(st.booleans())}
    left = {label: [name for name in names if name not in excluded] for label, names in clips.items()}
    assert replace(SMALL, exclude=tuple(sorted(excluded))).chosen(clips) == SMALL.chosen(left)
