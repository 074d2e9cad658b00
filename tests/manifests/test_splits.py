"""The splits that ship have the classes, exemplars and draws of the papers and repositories."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from helpers.shared import shared

from manifests.facts import dataset, missing_names, names
from manifests.split_file import split

SIZES = (20, 40, 60, 80)
OFFICIAL = [name for name in names("splits") if split(name).exemplars]


def test_ntu120_one_shot_is_the_official_protocol() -> None:
    record = split("ntu120_one_shot")
    assert [label + 1 for label in record.test] == [
        1, 7, 13, 19, 25, 31, 37, 43, 49, 55, 61, 67, 73, 79, 85, 91, 97, 103, 109, 115,
    ]  # fmt: skip
    assert sorted(record.train + record.test) == list(range(120))
    assert (len(record.train), record.val, record.protocol, record.choice) == (100, (), "exemplars", "first")
    ends = [(record.exemplars[place][:4], record.exemplars[place][-4:]) for place in (0, 9, 10, 19)]
    assert ends == [("S001", "A001"), ("S001", "A055"), ("S018", "A061"), ("S018", "A115")]


def test_ntu60_one_shot_is_its_first_half() -> None:
    record, whole = split("ntu60_one_shot"), split("ntu120_one_shot")
    assert (record.test, record.exemplars) == (whole.test[:10], whole.exemplars[:10])
    assert sorted(record.train + record.test) == list(range(60))
    assert (record.exemplars[0], record.exemplars[9]) == ("S001C003P008R001A001", "S001C003P008R001A055")


# Test classes by the names that the papers print: PAINet, Table 5, and DASTM, Figure 4 ("writing" and "kicking").
NAMED_AS_TEST = {
    "brush hair": "brushing hair",
    "hopping": "hopping (one foot jumping)",
    "take off headphone": "take off headphone",
    "apply cream on hand": "apply cream on hand back",
    "high-five": "high-five",
    "writing": "writing",
    "kicking": "kicking something",
}


@pytest.mark.parametrize("name", ["ntu_t", "ntu_s"])
def test_the_classes_that_papers_name_as_test_classes_are_novel(name: str) -> None:
    classes = dataset("ntu120").classes
    novel = {classes[label] for label in split(name).test}
    assert set(NAMED_AS_TEST.values()) <= novel


def test_the_papers_name_these_classes() -> None:
    tables, figures = shared("papers/painet.txt").read_text(encoding="utf-8"), shared("papers/dastm.txt")
    *in_table, writing, kicking = NAMED_AS_TEST
    table = tables[tables.index("action class\tDASTM") : tables.index("Table 5: Major performance gains")]
    assert re.findall(r"^([a-z -]+)\t0\.", table, re.MULTILINE) == in_table
    assert f"pair “{writing}”- “{kicking}”" in figures.read_text(encoding="utf-8")


def test_ntu_s_has_the_classes_of_ntu_t() -> None:
    small, large = split("ntu_t"), split("ntu_s")
    assert (large.train, large.val, large.test) == (small.train, small.val, small.test)
    assert (large.base, large.seed, large.dataset) == ("ntu_t", small.seed, small.dataset)


@pytest.mark.parametrize("name", OFFICIAL)
def test_exemplars_are_clips_of_their_classes(name: str) -> None:
    record, data = split(name), dataset(split(name).dataset)
    assert len(record.exemplars) == len(record.test)
    for label, clip in zip(record.test, record.exemplars, strict=True):
        match = re.fullmatch(data.pattern, clip)
        assert match is not None
        assert record.exemplar(label) == clip
        if data.labels == "name":
            assert int(match["action"]) == label + 1
            assert (match["camera"], match["subject"], match["repetition"]) == ("003", "008", "001")
    assert not set(record.exemplars) & missing_names(data.missing)
    assert {*OFFICIAL} >= {"ntu60_one_shot", "ntu120_one_shot", "ntu120_one_shot_dev", "ntu120_one_shot_20"}


def test_the_development_split_takes_its_classes_from_training() -> None:
    record, whole = split("ntu120_one_shot_dev"), split("ntu120_one_shot")
    assert [label + 1 for label in record.val] == list(range(2, 117, 6))
    assert sorted(record.train + record.val) == sorted(whole.train)
    assert (record.test, record.exemplars, record.base) == (whole.test, whole.exemplars, whole.name)


def test_auxiliary_sizes_are_nested_and_leave_the_novel_classes_alone() -> None:
    whole = split("ntu120_one_shot")
    row = [split(f"ntu120_one_shot_{size}") for size in SIZES] + [whole]
    assert [len(record.train) for record in row] == [20, 40, 60, 80, 100]
    assert all(set(small.train) < set(large.train) for small, large in pairwise(row))
    assert {(record.test, record.exemplars) for record in row} == {(whole.test, whole.exemplars)}
    assert set(row[0].train) == set(split("ntu120_one_shot_dev").val)


def test_pku_mmd_holds_eleven_classes_out() -> None:
    record = split("pku_mmd_one_shot")
    assert [label + 1 for label in record.test] == [1, 6, 11, 16, 21, 26, 31, 36, 41, 46, 51]
    assert sorted(record.train + record.test) == list(range(51))
    assert (record.choice, record.exemplars) == ("first", ())


def test_pku_mmd_2_is_the_protocol_of_skeletonx() -> None:
    # Its repository renumbers the 41 actions that occur, 1 to 41, and names these as novel.
    with_two_people = {12, 14, 16, 18, 21, 24, 26, 27, 29, 38}
    occurring = [action for action in range(1, 52) if action not in with_two_people]
    renumbered = (5, 10, 13, 16, 19, 21, 26, 30, 35, 40)
    record, classes = split("pku_mmd_2_one_shot"), dataset("pku_mmd_2").classes
    assert [label + 1 for label in record.test] == [occurring[number - 1] for number in renumbered]
    assert [label + 1 for label in record.test] == list(range(5, 51, 5))
    assert sorted(label + 1 for label in record.train + record.test) == occurring
    assert not [label for label in record.classes if "other person" in classes[label] or "pocket" in classes[label]]
    assert (record.exemplar(4), record.exemplar(49)) == ("A10N01-L_005", "A02N01-L_002")
    assert len({clip.split("_")[0] for clip in record.exemplars}) == 8


def test_msr_pairs_has_all_choices_of_three_pairs() -> None:
    draws = split("msr_pairs").draws
    novel = {tuple(sorted({label // 2 for label in draw.test})) for draw in draws}
    assert novel == set(combinations(range(6), 3))
    assert len(draws) == 20
    for draw in draws:
        assert sorted(draw.train + draw.test) == list(range(12))
        for part in (draw.train, draw.test):
            assert len(part) == 6
            assert {label ^ 1 for label in part} == set(part)


def test_the_pairs_of_msr_pairs_are_opposites() -> None:
    classes = dataset("msr_pairs").classes
    objects = [classes[label].split()[-1] for label in range(12)]
    assert objects[::2] == objects[1::2]
    assert classes == tuple(shared("data/facts/msr_action_pairs_12.txt").read_text(encoding="utf-8").splitlines())


def test_kinetics_is_the_list_of_the_appendix() -> None:
    record = split("kinetics")
    assert (len(record.train), len(record.val), len(record.test)) == (80, 20, 20)
    assert sorted(record.train + record.val + record.test) == list(range(1, 121))
    assert (record.samples_per_class, record.seed, record.protocol) == (100, 2022, "episodic")
    assert (record.train[2], record.val[0], record.test[0], record.test[-1]) == (5, 4, 3, 115)
    appendix = shared("papers/dastm-appendix.txt").read_text(encoding="utf-8")
    lists = re.findall(r"(?:Train|Validation|Test): \[([\d,\s]+)\]", appendix)[3:]
    assert [record.train, record.val, record.test] == [tuple(map(int, text.split(","))) for text in lists]


@pytest.mark.parametrize("name", names("splits"))
def test_a_split_parts_classes_that_exist(name: str) -> None:
    record, count = split(name), len(dataset(split(name).dataset).classes)
    parts = (
        [(record.train, record.val, record.test)] if not record.draws else [(d.train, (), d.test) for d in record.draws]
    )
    for train, val, test in parts:
        labels = [*train, *val, *test]
        assert len(labels) == len(set(labels))
        assert set(labels) <= set(range(count))
        assert train
        assert test
