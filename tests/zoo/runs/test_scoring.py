"""What a recipe's `evaluation` does at test time, and the untrained line of every result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.small_run import SMALL
from helpers.stores import make_store

from prep.progress import result
from prep.store.read import open_store
from zoo.engine.evaluate import Accuracy, measure
from zoo.engine.header import Progress
from zoo.experiment.feed import SetupError
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.resolve import resolve
from zoo.runs import scoring
from zoo.runs.execute import execute
from zoo.runs.measurement import evaluate
from zoo.runs.run import Run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)


def prepared(store: Path, *settings: str, name: str = "protonet") -> Prepared:
    return prepare(resolve(name, "demo", [*SMALL, *settings]), open_store(store), torch.device("cpu"))


def test_every_result_has_the_best_untrained_line_of_the_same_tasks(store: Path) -> None:
    measured = result(evaluate(prepared(store), Progress()))
    lines = {}
    for name in scoring.UNTRAINED:
        own = prepare(
            resolve(name, "demo", ["budget.test_episodes=10", "task.queries_per_class=2", "data.frames=8"])
            if name != "geometry"
            else resolve(name, "demo", ["budget.test_episodes=10", "task.queries_per_class=2"]),
            open_store(store),
            torch.device("cpu"),
        )
        alone = result(evaluate(own, Progress()))
        assert alone.untrained is None
        assert not alone.beats_untrained
        lines[name] = alone.accuracy
    best = max(lines, key=lambda name: lines[name] or 0.0)
    assert (measured.untrained_recipe, measured.untrained) == (best, lines[best])


@pytest.mark.parametrize(
    "setting", ["mirror=true", "samples=3", "centre=true", "unit=true", "join=geometry", "join=best"]
)
@pytest.mark.slow
def test_every_option_of_evaluation_is_measured(store: Path, setting: str) -> None:
    own = prepared(store, f"evaluation.{setting}")
    plain = prepared(store)
    scores, expected = (scoring.test_scorer(each).scores(each.test[0], 0)[0] for each in (own, plain))
    assert scores.isfinite().all()
    assert not torch.allclose(scores, expected)
    assert result(evaluate(own, Progress())).accuracy is not None


def test_a_method_without_maps_is_refused_options_of_evaluation(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "whole.py"
    file.write_text(
        '"""Sees the whole episode."""\n\nfrom zoo.methods import Method\n\n\n'
        'class Model(Method):\n    """Whole."""\n\n'
        "    def forward(self, episode):\n        return episode.query.flatten(2)[..., :5] * 0\n"
    )
    own = prepared(store, "evaluation.samples=2", name=str(file))
    with pytest.raises(SetupError, match="whole.py: its scores do not follow from one map per clip"):
        scoring.test_scorer(own)
    with pytest.raises(SetupError, match="its scores do not follow from one map per clip"):
        next(execute(own, Run(tmp_path / "run")))  # before anything is trained
    assert not resolve(str(file), "demo").evaluation.mirror
    assert result(measure(scoring.test_scorer(prepared(store, name=str(file))), own.test)).queries == 100


def test_a_trained_recipe_cannot_be_joined(store: Path) -> None:
    with pytest.raises(SetupError, match=r"evaluation\.join: `protonet` is trained.*nearest, nearest_dtw, geometry"):
        scoring.test_scorer(prepared(store, "evaluation.join=protonet"))


def test_weights_selected_on_test_classes_are_labelled(store: Path, tmp_path: Path) -> None:
    measured = result(execute(prepared(store, "budget.select_on_test=true"), Run(tmp_path / "run")))
    assert measured.warnings == ("the weights were selected on the test classes",)
    assert measured.validation == pytest.approx(measured.accuracy)
    assert result(execute(prepared(store), Run(tmp_path / "other"))).warnings == ()


def test_a_gain_is_measured_on_the_same_tasks(store: Path) -> None:
    measured = result(evaluate(prepared(store), Progress()))
    far = replace(measured, accuracy=65.0, untrained=60.0, gain_interval=4.0)
    assert (far.beats_untrained, replace(far, gain_interval=6.0).beats_untrained) == (True, False)
    one, other = Accuracy(0.5, 0.1, 2, 8, (0.25, 0.75)), Accuracy(0.4, 0.1, 2, 8, (0.15, 0.65))
    assert one.gain_interval(other) == pytest.approx(0.0, abs=1e-6)
    assert one.gain_interval(replace(other, of_tasks=())) == pytest.approx(0.02**0.5)
