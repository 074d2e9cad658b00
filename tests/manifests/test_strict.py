"""Strict conversion: every mistake in a TOML file is an error that names the key and the remedy."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from manifests.strict import InvalidValue, build, hint, load, parse


@dataclass(frozen=True)
class Part:
    size: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    title: str
    rate: float
    part: Part
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"rate is {self.rate}; it must be 0 or more")


GOOD = 'title = "x"\nrate = 1.5\npart = { size = 2 }\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "titel = 1", "there: `titel` is not a key of Whole. Did you mean `title`?"),
        (
            GOOD + "[[parts]]\nsize = 1\n[[parts]]\nsise = 1",
            "there: parts[1]: `sise` is not a key of Part. Did you mean",
        ),
        (GOOD.replace("size", "zzz"), "there: part: `zzz` is not a key of Part. Known: size, words."),
        (GOOD.replace('title = "x"\n', ""), "there: title: "),
        (GOOD.replace("1.5", '"1.5"'), "there: rate: "),
        (GOOD.replace("= 2", "= true"), "there: part.size: "),
        (GOOD.replace("= 2", "= 2.0"), "there: part.size: "),
        (GOOD.replace('"x"', "5"), "there: title: "),
        (GOOD.replace('"x"', "2020-01-01"), "there: dates and times are not used here; write them as text in quotes"),
        (GOOD.replace("1.5", "-1.0"), "there: rate is -1.0; it must be 0 or more"),
        (GOOD.replace("= 1.5", ""), "there: not readable as TOML: "),
        (GOOD + "rate = 2.0", "there: not readable as TOML: "),
    ],
)
def test_a_mistake_is_named_with_key_and_remedy(text: str, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        build(Whole, parse(text, "there"), "there")
    assert str(caught.value).startswith(words)


def test_the_good_text_is_read_and_missing_keys_take_their_default() -> None:
    assert build(Whole, parse(GOOD, "there"), "there") == Whole("x", 1.5, Part(2, ()), ())


def test_an_absent_file_and_a_file_that_is_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    for name in ("none.toml", "bad.toml"):
        with pytest.raises(InvalidValue, match=f"{name}: cannot be read"):
            load(Whole, tmp_path / name)


def test_hint_prefers_the_nearest_word() -> None:
    assert hint("ntu12", ["ntu120", "nw_ucla"]) == "Did you mean `ntu120`?"
    assert hint("zzz", ["b", "a"]) == "Known: a, b."


texts = st.text(st.characters(exclude_categories=["Cs"]))
parts = st.builds(Part, st.integers(-(2**53), 2**53), st.lists(texts, max_size=3).map(tuple))
numbers = st.floats(0, 1e300, allow_nan=False)


@given(st.builds(Whole, texts, numbers, parts, st.lists(parts, max_size=3).map(tuple)))
def test_a_record_is_equal_after_writing_and_reading(whole: Whole) -> None:
    assert build(Whole, parse(tomli_w.dumps(asdict(whole)), "there"), "there") == whole


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidValue):
        build(Whole, parse(text, "there"), "there")
