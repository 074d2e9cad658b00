"""Exemplars of a split: which clips they are, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import manifests.facts
from manifests.facts import dataset
from manifests.split_file import split
from manifests.strict import InvalidValue

NTU, PKU = split("ntu60_one_shot"), split("pku_mmd_one_shot")
PATTERN = dataset("ntu60").pattern
HERE = Path(manifests.facts.__file__).parent


def test_the_official_exemplar_comes_first_then_its_setup_and_camera() -> None:
    clips = [
        "S001C001P001R001A007",
        "S002C003P001R001A007",
        "S001C003P009R001A007",
        "S001C003P008R002A007",
        "S001C003P008R001A007",
        "S001C003P001R001A007",
    ]
    assert NTU.first_exemplars(6, clips, PATTERN) == (
        "S001C003P008R001A007",
        "S001C003P001R001A007",
        "S001C003P008R002A007",
        "S001C003P009R001A007",
        "S001C001P001R001A007",
        "S002C003P001R001A007",
    )


def test_without_an_official_exemplar_names_decide() -> None:
    names = ["0010-L_001", "0002-R_004", "0002-L_012", "0002-L_003"]
    assert PKU.first_exemplars(0, names, dataset("pku_mmd").pattern)[:2] == ("0002-L_003", "0002-L_012")
    assert PKU.exemplar(0) == ""
    assert NTU.exemplar(1) == ""


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_fewer_shots_are_part_of_more_and_order_is_irrelevant(numbers: list[int], random: Any) -> None:
    names = [f"S{1 + n % 2:03d}C{1 + n % 3:03d}P{n:03d}R001A001" for n in numbers]
    ranked = NTU.first_exemplars(0, names, PATTERN)
    random.shuffle(names)
    assert NTU.first_exemplars(0, names, PATTERN) == ranked
    assert sorted(ranked) == sorted(names)


def test_custom_data_need_no_pattern() -> None:
    mine = replace(NTU, test=(0, 1), exemplars=("b", "z"), train=(2,))
    assert mine.first_exemplars(0, ["a", "c", "b"], "") == ("b", "a", "c")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choice": "seeded"}, 'exemplars are named; write `choice = "first"`'),
        ({"protocol": "episodic"}, "choice `first` belongs to the protocol `exemplars`"),
        ({"exemplars": NTU.exemplars[:9]}, "9 exemplars for 10 classes of test"),
        ({"exemplars": (NTU.exemplars[0],) * 10}, "exemplars: `S001C003P008R001A001` is listed twice"),
        ({"samples_per_class": 30}, "exemplars and samples_per_class exclude each other"),
        ({"exclude": NTU.exemplars[:1]}, "`S001C003P008R001A001` is an exemplar and in exclude; remove it from one"),
        ({"exclude": ("a", "a")}, "exclude: `a` is listed twice"),
    ],
)
def test_exemplars_that_do_not_fit_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(NTU, **change)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "ntu60_one_shot",
            "R001A007",
            "R001A008",
            "exemplar `S001C003P008R001A008` does not show class 6, whose place",
        ),
        (
            "ntu60_one_shot",
            "R001A007",
            "R001A099",
            "exemplar `S001C003P008R001A099` does not show class 6, whose place",
        ),
        ("ntu60_one_shot", "R001A007", "R01A007", "exemplar `S001C003P008R01A007` is not a name of ntu60, S(?P<setup>"),
        ("ntu120_one_shot_20", 'base = "ntu120_one_shot"', 'base = "ntu120_one"', "is not one of the splits. Did you"),
        (
            "ntu120_one_shot_20",
            'base = "ntu120_one_shot"',
            'base = "ntu120_one_shot_40"',
            "base `ntu120_one_shot_40` has a base itself. Name `ntu120_one_shot` instead",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, name: str, old: str, new: str, words: str) -> None:
    text = (HERE / "splits" / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidValue) as caught:
        split(str(mine))
    assert words in str(caught.value)


def test_a_variation_gives_only_what_differs(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('base = "ntu60_one_shot"\ntitle = "mine"\ntrain = [1, 2, 3]\n', encoding="utf-8")
    assert split(str(mine)) == replace(NTU, name="mine", title="mine", train=(1, 2, 3), base="ntu60_one_shot")
