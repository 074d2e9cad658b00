"""Names are matched as `re` matches them, in bounded time."""

from __future__ import annotations

import re
import time

import pytest

from manifests import pattern
from manifests.facts import dataset, names
from manifests.pattern import match_name
from manifests.strict import InvalidValue


def test_a_pattern_that_runs_away_is_refused_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern, "LONGEST_SECONDS", 0.05)
    start = time.perf_counter()
    with pytest.raises(
        InvalidValue, match=r"pattern `\(\?P<action>\(a\|aa\)\+\)b` takes more than 0.05 s to match `aaa"
    ):
        match_name("(?P<action>(a|aa)+)b", "a" * 80 + "c")
    assert time.perf_counter() - start < 5


def test_what_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"pattern `\(` is not a regular expression"):
        match_name("(", "a")


@pytest.mark.parametrize("name", names("datasets"))
def test_the_patterns_that_ship_match_as_with_re(name: str) -> None:
    expression = dataset(name).pattern
    for word in ("S001C002P003R002A013", "S001C002P003R002A01x", "0002-L_001", "a01_s02_e03", "-bcdefghij0", "x", ""):
        expected, match = re.fullmatch(expression, word), match_name(expression, word)
        assert (match is None) == (expected is None)
        assert match is None or expected is None or match.groupdict() == expected.groupdict()
