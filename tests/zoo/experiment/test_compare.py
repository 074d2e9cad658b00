"""Runs beside papers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zoo.experiment.compare import compare
from zoo.experiment.run import Result

ONE = Result(
    recipe="protonet", split="nw_ucla", draw=0,
    method="protonet", backbone="agcn", way=5, shot=1, seed=0, accuracy=70.0,
    interval=2.0, episodes=1, queries=700, test_seed=0, trained=400, store_digest="a", recipe_digest="b",
)  # fmt: skip


def test_draws_are_averaged_and_stand_beside_the_paper() -> None:
    (row,) = compare([ONE, replace(ONE, draw=1, accuracy=80.0)])
    assert (row.runs, row.accuracy) == (2, 75.0)
    assert row.interval == pytest.approx(1.96 * 50**0.5 / 2**0.5)
    assert row.papers[0].accuracy == 73.6
    assert row.gap == pytest.approx(1.4)


def test_other_settings_are_other_rows() -> None:
    rows = compare([ONE, replace(ONE, shot=5), replace(ONE, split="demo")])
    assert [(row.split, row.shot) for row in rows] == [("demo", 1), ("nw_ucla", 1), ("nw_ucla", 5)]
    assert rows[0].papers == ()
    assert rows[0].gap is None
    assert rows[1].interval == 2.0


def test_the_papers_own_backbone_comes_first() -> None:
    (row,) = compare([replace(ONE, split="ntu_t", method="dastm", recipe="dastm", backbone="msg3d")])
    assert row.papers[0].backbone == "msg3d"
    assert row.papers[0].accuracy == 75.0


def test_ablations_are_not_set_beside_a_method() -> None:
    (row,) = compare([replace(ONE, split="ntu120_one_shot", method="cross_modal", recipe="x", way=20)])
    assert [(paper.backbone, paper.accuracy, paper.variant) for paper in row.papers] == [
        ("agcn", 70.4, ""),
        ("ctrgcn", 71.0, ""),
    ]
