"""Runs beside papers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.runs.result import NOVEL_NAMES, OTHER_QUERIES, Result
from zoo.sweep.compare import compare


def run(
    accuracy: float = 70.0,
    settings: Sequence[str] = (),
    split: str = "nw_ucla",
    name: str = "protonet",
    backbone: str = "agcn",
    **facts: object,
) -> tuple[Recipe, Result]:
    recipe = resolve(name, split, settings)
    fields = {
        "recipe": recipe.name, "split": split, "class_split": recipe.data.class_split, "method": name,
        "backbone": backbone, "way": recipe.task.way, "shot": recipe.task.shot, "seed": recipe.seed,
        "accuracy": accuracy, "interval": 2.0, "validation": None, "episodes": 1, "queries": 700, "test_seed": 0,
        "trained": 400, "recipe_digest": "b", "store_digest": "a", "init_digest": "", "weights_digest": "w",
        "layout": "kinect20", "bodies": 1, "preprocessing": "ctrgcn",
    }  # fmt: skip
    return recipe, Result(**(fields | facts))  # type: ignore[arg-type]


def test_class_splits_are_averaged_and_stand_beside_the_paper() -> None:
    (row,) = compare([run(), run(80.0, ["data.class_split=1", "seed=4"])])
    assert (row.runs, row.accuracy, row.differs) == (2, 75.0, {})
    assert row.interval == pytest.approx(1.96 * 50**0.5 / 2**0.5)
    assert row.papers[0].accuracy == 73.6
    assert row.gap == pytest.approx(1.4)


def test_runs_with_other_settings_are_not_seeds() -> None:
    """70.0 after 500 episodes and 30.0 after 10 became "50.0 ± 39.2, 2 runs"."""
    rows = compare([run(70.0), run(30.0, ["budget.episodes=10"]), run(72.0, ["seed=1"])])
    assert [(row.runs, row.accuracy) for row in rows] in ([(2, 71.0), (1, 30.0)], [(1, 30.0), (2, 71.0)])
    assert sorted(row.differs["budget.episodes"] for row in rows) == ["10", "500"]
    assert all(set(row.differs) == {"budget.episodes"} for row in rows)


def test_runs_on_other_stores_are_not_seeds() -> None:
    rows = compare([run(70.0), run(30.0, store_digest="another")])
    assert [row.runs for row in rows] == [1, 1]
    assert {row.differs["store"] for row in rows} == {"a", "another"}


def test_draws_of_clips_stand_apart() -> None:
    rows = compare([run(70.0, ["data.clip_seed=1"]), run(72.0, ["data.clip_seed=2"])])
    assert {row.differs["data.clip_seed"]: row.accuracy for row in rows} == {"1": 70.0, "2": 72.0}


def test_the_spread_is_the_standard_deviation_over_runs_and_a_single_run_has_none() -> None:
    (row,) = compare([run(), run(80.0, ["seed=4"])])
    assert row.spread == pytest.approx(50**0.5)
    (alone,) = compare([run()])
    assert (alone.spread, alone.interval) == (None, 2.0)


def test_the_untrained_method_stands_beside_ours_with_the_gain_over_the_same_runs() -> None:
    lines = [{"untrained": low, "untrained_interval": 1.0, "untrained_recipe": "geometry"} for low in (60.0, 72.0)]
    (row,) = compare([run(70.0, **lines[0]), run(80.0, ["seed=4"], **lines[1])])
    assert row.untrained is not None
    assert (row.untrained.recipe, row.untrained.accuracy, row.untrained.gain) == ("geometry", 66.0, 9.0)
    assert row.untrained.gain_interval == pytest.approx(1.96)
    assert row.untrained.beaten


def test_pretrained_features_have_the_line_too() -> None:
    """Nothing is trained in episodes, but the initial weights are of another run."""
    line = {"untrained": 60.0, "untrained_interval": 1.0, "untrained_recipe": "geometry", "trained": 0}
    for init, shown in (("d", True), ("", False)):
        (row,) = compare([run(70.0, init_digest=init, **line)])
        assert (row.untrained is not None) == shown


@pytest.mark.parametrize(("accuracy", "beaten"), [(62.0, False), (62.3, True), (50.0, False)])
def test_a_gain_within_the_interval_does_not_count(accuracy: float, beaten: bool) -> None:
    line = {"untrained": 60.0, "untrained_interval": 1.0, "untrained_recipe": "geometry", "gain_interval": 5**0.5}
    (row,) = compare([run(accuracy, **line)])  # type: ignore[arg-type]
    assert row.untrained is not None
    assert row.untrained.gain_interval == pytest.approx(5**0.5)
    assert row.untrained.beaten == beaten


def test_without_an_untrained_line_in_every_run_there_is_none() -> None:
    line = {"untrained": 60.0, "untrained_interval": 1.0, "untrained_recipe": "geometry"}
    assert compare([run(70.0, **line), run(70.0, ["seed=1"])])[0].untrained is None  # type: ignore[arg-type]
    assert compare([run(70.0, **line, trained=0)])[0].untrained is None  # type: ignore[arg-type]


def test_what_lies_outside_the_published_spread() -> None:
    near, far = (
        compare([run(accuracy, split="ntu_t", name="dastm", backbone="stgcn")])[0] for accuracy in (74.0, 77.0)
    )
    assert (near.papers[0].spread, near.outside, far.outside) == (1.8, False, True)
    assert compare([run()])[0].outside is None
    assert far.record()["outside"]


def test_other_tasks_are_other_rows() -> None:
    rows = compare([run(), run(settings=["task.shot=5"]), run(split="demo")])
    assert [(row.split, row.shot) for row in rows] == [("demo", 1), ("nw_ucla", 1), ("nw_ucla", 5)]
    assert rows[0].papers == ()
    assert rows[0].gap is None
    assert rows[1].interval == 2.0
    assert all(row.differs == {} for row in rows)


def test_the_papers_own_backbone_comes_first() -> None:
    (row,) = compare([run(split="ntu_t", name="dastm", backbone="msg3d")])
    assert row.papers[0].backbone == "msg3d"
    assert row.papers[0].accuracy == 75.0


def test_ablations_are_not_set_beside_a_method() -> None:
    place = {"split": "ntu120_one_shot", "backbone": "agcn", "way": 20}
    (row,) = compare([run(recipe="crossmodal", **place)])
    assert [(paper.backbone, paper.accuracy, paper.variant) for paper in row.papers[:2]] == [
        ("agcn", 70.4, ""),
        ("agcn", 70.4, "repeated"),
    ]
    assert {(paper.backbone, paper.accuracy) for paper in row.papers} == {("agcn", 70.4), ("ctrgcn", 71.0)}
    (row,) = compare([run(recipe="crossmodal_text", **place)])
    assert [paper.accuracy for paper in row.papers] == [62.3]


def test_an_ablation_is_set_beside_its_own_row_and_the_official_form_beside_the_methods() -> None:
    facts = {"split": "ntu_t", "backbone": "stgcn"}
    (row,) = compare([run(recipe="protonet_blocks_4", **facts)])
    seeds = [f"seed-{number} blocks-4" for number in (1, 2, 3)]
    assert [paper.variant for paper in row.papers] == ["mean blocks-4", *seeds]
    assert (row.papers[0].accuracy, row.gap) == (71.67, pytest.approx(70 - 71.67))
    (row,) = compare([run(name="dastm_official", **facts)])
    assert (row.papers[0].paper[:5], row.papers[0].accuracy, row.papers[0].spread) == ("DASTM", 75.1, 1.8)
    (row,) = compare([run(recipe="mine", **facts)])
    assert row.papers == ()


def test_a_method_with_the_names_of_novel_classes_is_marked_on_any_data() -> None:
    (row,) = compare([run(split="demo", recipe="mine", warnings=(NOVEL_NAMES,))])
    assert (row.novel_names, row.record()["novel_names"], row.papers) == (True, True, ())
    assert not compare([run(warnings=("another one",))])[0].novel_names


def test_a_method_that_uses_other_queries_is_marked() -> None:
    (row,) = compare([run(split="demo", recipe="mine", warnings=(OTHER_QUERIES,))])
    assert (row.other_queries, row.record()["other_queries"], row.novel_names) == (True, True, False)
    assert not compare([run(warnings=(NOVEL_NAMES,))])[0].other_queries


def test_a_pre_training_run_has_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="supervised: a pre-training run has no test accuracy to compare"):
        compare([run(recipe="supervised", accuracy=None)])  # type: ignore[arg-type]
