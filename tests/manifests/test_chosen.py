"""Which clips a split keeps: a rule of names alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from manifests.facts import missing_names, split

SMALL, LARGE = split("ntu_t"), split("ntu_s")
clips = st.dictionaries(
    st.integers(0, 119),
    st.lists(st.text("SCPRA0123456789", min_size=1, max_size=8), max_size=90, unique=True),
    max_size=3,
).map(lambda found: {label: [f"{label}-{name}" for name in names] for label, names in found.items()})


@given(clips, st.randoms(use_true_random=False))
def test_the_order_of_the_input_is_irrelevant(found, random) -> None:  # type: ignore[no-untyped-def]
    labels = list(found)
    random.shuffle(labels)
    shuffled = {label: random.sample(found[label], len(found[label])) for label in labels}
    assert SMALL.chosen(shuffled) == SMALL.chosen(found)


@given(clips)
def test_choosing_again_changes_nothing(found: dict[int, list[str]]) -> None:
    kept = SMALL.chosen(found)
    assert SMALL.chosen({label: [name for name in names if name in kept] for label, names in found.items()}) == kept
    assert all(sum(name in kept for name in names) == min(30, len(names)) for names in found.values())


@given(clips, st.text(min_size=1))
def test_a_new_clip_never_changes_other_classes(found: dict[int, list[str]], name: str) -> None:
    for label in found:
        more = SMALL.chosen(found | {label: [*found[label], f"new-{name}"]})
        others = {clip for other in found if other != label for clip in found[other]}
        assert more & others == SMALL.chosen(found) & others
        # Within its own class it takes at most one place.
        assert len((SMALL.chosen(found) - more) & set(found[label])) <= 1


@given(clips)
def test_ntu_t_lies_inside_ntu_s(found: dict[int, list[str]]) -> None:
    kept = LARGE.chosen(found)
    assert SMALL.chosen(found) <= kept
    part = {label: [name for name in names if name in kept] for label, names in found.items()}
    assert SMALL.chosen(part) == SMALL.chosen(found)


def test_missing_skeletons_are_never_chosen_and_take_no_place() -> None:
    lost = sorted(missing_names("ntu120"))[:40]
    kept = [f"clip{number}" for number in range(30)]
    assert SMALL.chosen({0: [*lost, *kept]}, missing_names("ntu120")) == set(kept)


def test_zero_samples_keeps_everything() -> None:
    everything = {0: ["a", "b"], 7: [f"clip{number}" for number in range(100)]}
    assert split("demo").chosen(everything) == {name for names in everything.values() for name in names}
    assert split("nw_ucla").chosen({}) == frozenset()


def test_another_seed_chooses_other_clips() -> None:
    found = {0: [f"clip{number}" for number in range(200)]}
    assert replace(SMALL, seed=1).chosen(found) != SMALL.chosen(found)


def test_frozen_numbers_of_the_rule() -> None:
    # `printf ntu120/2022/<name> | sha256sum` begins d31a, e98f, 0ffa.
    names = ["S001C001P001R001A001", "S001C001P001R002A001", "S001C001P002R001A001"]
    assert replace(SMALL, samples_per_class=2).chosen({0: names}) == {names[0], names[2]}
    assert replace(SMALL, samples_per_class=1).chosen({0: names}) == {names[2]}
