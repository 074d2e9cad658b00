"""Filters and orders of clips."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.viewing import NAMES

from prep.errors import PrepError
from prep.progress import result
from prep.store.read import Store
from prep.viewer.motion import measure_motion
from prep.viewer.select import Filter, check_order, length_ratio, order, select


def kept(store: Store, **wanted: object) -> list[int]:
    return np.flatnonzero(select(store, Filter(**wanted))).tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "clips"),
    [
        ({}, list(range(12))),
        ({"label": 1}, [1, 5, 9]),
        ({"subject": 3, "camera": 3}, [2]),
        ({"subject": -1}, []),
        ({"flag": "zero"}, [3, 5]),
        ({"flag": "any"}, [2, 3, 5]),
        ({"name": "c002p002r"}, [1]),
        ({"name": "nowhere"}, []),
    ],
)
def test_a_filter_keeps_the_clips_with_all_its_properties(
    store: Store, wanted: dict[str, object], clips: list[int]
) -> None:
    assert kept(store, **wanted) == clips


def test_an_unknown_flag_or_order_is_refused(store: Store) -> None:
    with pytest.raises(PrepError, match="`ghots` is not a quality flag. Did you mean `ghost`?"):
        kept(store, flag="ghots")
    with pytest.raises(PrepError, match="`longst` is not an order of clips. Did you mean `longest`?"):
        check_order("longst")


def test_orders_begin_with_what_is_looked_for(store: Store) -> None:
    everything, motion = np.ones(len(NAMES), bool), result(measure_motion(store))
    first = {by: int(order(store, everything, check_order(by), motion)[0]) for by in ("longest", "shortest")}
    assert first == {"longest": 4, "shortest": 9}
    assert order(store, everything, "store").tolist() == list(range(12))
    assert order(store, everything, "stillest", motion)[0] == 1
    assert order(store, everything, "jerkiest", motion)[0] == 2
    # Clip 9 has two frames, where its class has twelve: too few for a jerk, so it is last.
    assert order(store, everything, "jerkiest", motion)[-1] == 9
    assert order(store, everything, "length-outliers")[:2].tolist() == [9, 4]
    assert length_ratio(store)[[0, 4, 9]].tolist() == pytest.approx([1, 5, 1 / 6])


def test_an_order_by_motion_needs_the_motion(store: Store) -> None:
    with pytest.raises(ValueError, match="the order stillest needs the motion of every clip"):
        order(store, np.ones(12, bool), "stillest")
