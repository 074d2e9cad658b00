"""Every figure: arrays that can be read again and make the same drawing; refusals that name a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.finished_run import Finished, finished, subject

from episodes.transform import ClipTransform
from manifests.strict import InvalidValue
from prep.progress import result
from prep.store.read import Store
from zoo.drawing import as_bytes, write
from zoo.explain._figure import FigureError, figure, names
from zoo.explain._subject import Subject, labels
from zoo.explain.attribution import joints_of
from zoo.named_arrays import NamedArrays, read
from zoo.report.tally import PairError
from zoo.runs.run import Run, RunError

SHORT = ("budget.episodes=2", "budget.validation_episodes=0")
SETTINGS: dict[str, dict[str, Any]] = {
    "failures": {"mistakes": 2, "frames": 2},
    "tsne": {"queries": 4},
    "sweep": {"key": "method.options.temperature"},
}
# The others need runs of other methods, or draw for a second.
NAMES = [name if name == "similarity" else pytest.param(name, marks=pytest.mark.slow) for name in names()]
RUNS = {
    "activation": ("dastm",),
    "attribution": ("protonet",),
    "failures": ("protonet",),
    "gains": ("protonet", "dastm"),
    "similarity": ("protonet",),
    "sweep": ("protonet", "cool"),
    "tsne": ("painet",),
}


class Made:
    """Runs of several methods on the same tasks, and the arrays of their figures, each made when it is asked for."""

    def __init__(self, run: Run, store: Store) -> None:
        self.run, self.store = run, store
        self._runs, self._arrays = {"protonet": subject(run, store)}, dict[str, NamedArrays]()

    def __getitem__(self, name: str) -> Subject:
        if name not in self._runs:
            recipe, more = ("protonet", ["method.options.temperature=0.5"]) if name == "cool" else (name, [])
            self._runs[name] = subject(finished(self.run.path.parent, self.store, recipe, [*SHORT, *more]), self.store)
        return self._runs[name]

    def of(self, name: str) -> list[Subject]:
        """The runs of a figure."""
        return [self[key] for key in RUNS[name]]

    def arrays(self, name: str) -> NamedArrays:
        """The arrays of a figure."""
        if name not in self._arrays:
            made = figure(name, SETTINGS.get(name, {}))
            made.check_runs(len(self.of(name)))
            self._arrays[name] = result(made.arrays(self.of(name)))
        return self._arrays[name]


@pytest.fixture(scope="module")
def runs(demo_run: Finished) -> Made:
    return Made(*demo_run)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_from_the_arrays_that_are_written(name: str, runs: Made, tmp_path: Path) -> None:
    arrays = runs.arrays(name)
    arrays.save(tmp_path / "x.npz")
    again, made = read(tmp_path / "x.npz"), figure(name, SETTINGS.get(name, {}))
    drawn = made.draw(again)
    write(drawn, tmp_path / "x.png")
    assert drawn.get_size_inches()[0] in (3.3, 6.9)
    assert made.words(again) == made.words(arrays) != []


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_figure_is_written_in_every_format(name: str, runs: Made, tmp_path: Path) -> None:
    made, arrays = figure(name, SETTINGS.get(name, {})), runs.arrays(name)
    assert as_bytes(made.draw(arrays), "svg") == as_bytes(made.draw(arrays), "svg")
    write(made.draw(arrays), tmp_path / "x.pdf")


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_does_not_change_from_one_time_to_the_next(name: str, runs: Made) -> None:
    made = figure(name, SETTINGS.get(name, {}))
    again = result(made.arrays(runs.of(name)))
    for key in again:
        np.testing.assert_array_equal(again[key], runs.arrays(name)[key], err_msg=key)


def test_class_means_outside_the_queries_are_inside_the_axes_of_tsne() -> None:
    place = np.array([[[0.0, 0.0], [1.0, 1.0], [-9.0, 5.0], [3.0, -7.0]]] * 2)
    fields = {"label": np.array([0, 1, 0, 1]), "is_support": np.array([False, False, True, True])}
    axes = {"place": ("stage", "point", "axis"), "silhouette": ("stage",)} | dict.fromkeys(fields, ("point",))
    arrays = NamedArrays({"place": place, "silhouette": np.zeros(2), **fields}, axes, {"class": ("a", "b")})
    for axis in figure("tsne", {}).draw(arrays).axes:
        (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
        assert left < -9 < 3 < right
        assert low < -7 < 5 < high


def test_similarity_is_the_mean_cosine_of_joints(runs: Made) -> None:
    arrays, one = runs.arrays("similarity"), runs["protonet"]
    with torch.no_grad():
        maps = one.method.embed(one.episode(10).query)[0].double().flatten(0, 1).numpy()
    unit = maps / np.maximum(np.linalg.norm(maps, axis=-1, keepdims=True), 1e-12)
    expected = np.einsum("xvd,xwd->xvw", unit, unit)
    np.testing.assert_allclose(arrays["similarity"][0], expected.mean(0), atol=1e-9)
    other = ~np.eye(maps.shape[1], dtype=bool)
    assert arrays["off_diagonal"][0] == pytest.approx(expected[:, other].mean())
    ranks = []
    for frame in maps:
        values = np.linalg.svd(frame, compute_uv=False)
        share = values[values > 0] / values.sum()
        ranks.append(np.exp(-(share * np.log(share)).sum()))
    assert arrays["effective_rank"][0] == pytest.approx(np.mean(ranks))


@pytest.mark.slow
def test_activation_is_the_methods_attention_to_its_own_and_to_another_class(runs: Made) -> None:
    arrays, one = runs.arrays("activation"), runs["dastm"]
    np.testing.assert_allclose(arrays["activation"].sum(2), 1, rtol=1e-5)
    np.testing.assert_allclose(arrays["query_importance"], arrays["activation"].max(2))
    np.testing.assert_allclose(arrays["support_importance"], arrays["activation"].mean(1))
    same, other = arrays.labels["pair"]
    first, second = same.split(" – ")
    assert first == second
    assert other.split(" – ")[0] == first != other.split(" – ")[1]
    assert arrays.labels["query joint"] == one.layout.joints


@pytest.mark.parametrize(
    ("spread", "note"),
    [
        (0.5, ""),
        (1e-5, "nearly uniform: the values differ by 0.001 % of their mean at most"),
        (0.0, "nearly uniform: the values differ by 0 % of their mean at most"),
    ],
)
def test_the_colours_of_an_activation_span_its_values_and_a_small_range_is_stated(spread: float, note: str) -> None:
    share = np.linspace(-0.5, 0.5, 8).reshape(2, 2, 2)
    values, pose = 0.04 * (1 + spread * share), np.arange(8.0).reshape(2, 2, 2)
    fields = {"activation": values, "query_importance": values.max(2), "support_importance": values.mean(1)}
    fields |= {"query_pose": pose, "support_pose": pose, "bones": np.array([[1, 0]])}
    axes = {name: ("pair", "query joint", "support joint")[: value.ndim] for name, value in fields.items()}
    arrays = NamedArrays(fields, axes | {"bones": ("bone", "end")}, {"pair": ("a – a", "a – b")})
    made = figure("activation", {})
    drawn = made.draw(arrays)
    scales = [image.get_clim() for axis in drawn.axes for image in axis.images]
    low, high = scales[0]
    assert scales == [(low, high)] * 2
    if spread:
        assert (low, high) == (values.min(), values.max())
    else:
        assert low < 0.04 < high
    labels = [label.get_text() for axis in drawn.axes for label in axis.get_yticklabels()]
    np.testing.assert_allclose(
        [float(label) for label in labels[-3:]], [low, (low + high) / 2, high], rtol=1e-6 + spread
    )
    assert len(set(labels[-3:])) == 3
    assert drawn.get_suptitle() == note
    assert (note in made.words(arrays)) == bool(note)


@pytest.mark.slow
def test_attributions_sum_to_the_difference_of_the_logits(runs: Made) -> None:
    arrays = runs.arrays("attribution")
    assert arrays.labels["run"] == ("protonet", "protonet, untrained")
    sums = arrays["attribution"].sum((2, 3, 4, 5))
    np.testing.assert_allclose(sums, arrays["total"], rtol=1e-4)
    assert (np.abs(sums - arrays["difference"]) <= 0.02 * np.abs(arrays["difference"])).all()
    heat = np.abs(arrays["attribution"]).sum((2, 5))
    np.testing.assert_allclose(arrays["heat"], heat / heat.max((2, 3), keepdims=True))
    assert arrays["boundary"].all()
    # BIG goes no further than the nearest other answer, plain integration to the end.
    assert (np.abs(arrays["difference"][:, 0]) < np.abs(arrays["difference"][:, 1])).all()


def test_streams_by_differentiable_operations_are_those_of_the_loader(runs: Made) -> None:
    transform = runs["protonet"].prepared.test[0].transform
    names_of = ("joint", "bone", "velocity", "bone_velocity")
    every = ClipTransform(transform.pool, transform.layout, transform.sampling, names_of)
    clip = torch.tensor([3])
    joints, lift = joints_of(every, clip)
    torch.testing.assert_close(lift(joints), every.view(clip)[0])
    recorded = ClipTransform(transform.pool, transform.layout, transform.sampling, ("recorded",))
    view, same = joints_of(recorded, clip)
    torch.testing.assert_close(same(view), recorded.view(clip)[0])


@pytest.mark.slow
def test_gains_are_differences_of_accuracies(runs: Made) -> None:
    arrays = runs.arrays("gains")
    np.testing.assert_allclose(arrays["gain"], arrays["after"] - arrays["before"], atol=1e-9)
    weighted = (arrays["gain"] * arrays["queries"]).sum() / arrays["queries"].sum()
    assert arrays.number("difference") == pytest.approx(weighted)


@pytest.mark.slow
def test_gains_of_runs_on_other_tasks_are_refused(runs: Made, exemplar_run: Finished) -> None:
    with pytest.raises(PairError, match="not measured on the same tasks"):
        result(figure("gains", {}).arrays([runs["protonet"], subject(*exemplar_run)]))


@pytest.mark.slow
def test_a_sweep_has_each_runs_accuracy_at_its_value(runs: Made) -> None:
    arrays = runs.arrays("sweep")
    assert arrays["value"].tolist() == [0.1, 0.5]
    found = arrays["accuracy"]
    assert found[np.isfinite(found)].tolist() == [runs["cool"].result.accuracy, runs["protonet"].result.accuracy]
    assert arrays["runs"].tolist() == [[0, 1], [1, 0]]
    with pytest.raises(FigureError, match=r"differ in several numbers: .*temperature, .* Choose one with --set key="):
        result(figure("sweep", {}).arrays([runs["protonet"], runs["cool"]]))
    assert labels([runs["protonet"], runs["cool"]])[1].startswith("protonet temperature=0.5 episodes=2")


@pytest.mark.slow  # every method is made and tried
@pytest.mark.parametrize(
    ("name", "run", "words"),
    [
        ("activation", "protonet", r"protonet on .* has no attention .* keeps joints: dastm, .*painet"),
        ("tsne", "protonet", r"protonet does not adapt its features .* Methods that do: feat, painet\."),
    ],
)
def test_a_method_that_has_nothing_to_show_names_those_that_have(runs: Made, name: str, run: str, words: str) -> None:
    with pytest.raises(FigureError, match=words):
        result(figure(name, {}).arrays([runs[run]]))


@pytest.mark.slow
def test_a_backbone_that_pools_joints_is_refused(demo_run: Finished) -> None:
    run, store = demo_run
    pooled = finished(run.path.parent, store, "nearest", ["budget.episodes=0", "backbone.name=tcn"])
    with pytest.raises(FigureError, match="backbone tcn pools all joints to one. .* keeps them: agcn, ctrgcn, joints"):
        result(figure("similarity", {}).arrays([subject(pooled, store)]))


def test_wrong_names_options_and_numbers_of_runs_are_refused(runs: Made, tmp_path: Path) -> None:
    with pytest.raises(FigureError, match=r"`similarty` is not a figure\. Did you mean `similarity`\?"):
        figure("similarty", {})
    with pytest.raises(InvalidValue, match="figure tsne: `querys` is not a key of Options. Did you mean `queries`?"):
        figure("tsne", {"querys": 3})
    with pytest.raises(FigureError, match="`gains` takes 2 runs, not 1"):
        figure("gains", {}).check_runs(1)
    with pytest.raises(FigureError, match="`sweep` takes 2 or more runs, not 1"):
        figure("sweep", {}).check_runs(1)
    with pytest.raises(FigureError, match="`attribution` takes 1 to 4 runs, not 5"):
        figure("attribution", {}).check_runs(5)
    with pytest.raises(FigureError, match="query is 99; the task has 0 to 24"):
        result(figure("attribution", {"query": 99}).arrays([runs["protonet"]]))
    with pytest.raises(FigureError, match="name is `x`; task 0 has .* Take one"):
        result(figure("attribution", {"name": "x"}).arrays([runs["protonet"]]))
    with pytest.raises(FigureError, match="the runs differ in no setting with a number"):
        result(figure("sweep", {}).arrays([runs["protonet"]] * 2))
    with pytest.raises(FigureError, match="key is `seed.x`, which is None in a run"):
        result(figure("sweep", {"key": "seed.x"}).arrays([runs["protonet"]] * 2))
    (tmp_path / "recipe.toml").write_text((runs["protonet"].run.path / "recipe.toml").read_text())
    with pytest.raises(RunError, match="unfinished at 0 of 24. Run the same `fszoo train` again"):
        subject(Run(tmp_path), runs.store)
