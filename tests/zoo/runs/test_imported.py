"""Runs that start from imported weights: the same weights, a digest of their own, and a result that warns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import released
from helpers.stores import make_store
from safetensors.torch import load_file

from manifests.facts import layout
from manifests.strict import InvalidValue
from prep.progress import result
from prep.store.read import open_store
from zoo.backbones.stgcn import Options
from zoo.engine.checkpoint import CheckpointError
from zoo.engine.imported import save_imported
from zoo.experiment.identity import recipe_digest
from zoo.experiment.import_weights import Target, import_weights
from zoo.experiment.resolve import resolve
from zoo.runs.chain import measure_run, measure_untrained, train_chain
from zoo.runs.run import Run
from zoo.sweep.grid import cells
from zoo.sweep.jobs import finished, jobs

CPU = torch.device("cpu")
QUICK = [
    "backbone.name=stgcn",
    "backbone.options={blocks=4}",
    "evaluation.join=",
    "evaluation.mirror=false",
    'data.streams=["joint"]',
    "data.frames=8",
    "budget.episodes=2",
    "budget.episodes_per_epoch=2",
    "budget.validation_episodes=0",
    "budget.test_episodes=2",
    "task.queries_per_class=1",
]
WARNING = (
    "the initial weights are imported (ours.safetensors): which classes they were trained on is not known, so the test "
    "classes may be among them"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)


@pytest.fixture
def weights(store: Path, tmp_path: Path) -> Path:
    info = open_store(store).info
    torch.save(released.stgcn(info.layout.name), tmp_path / "theirs.pt")
    target = Target("stgcn", Options(blocks=4), layout(info.layout.name), 3, open_store(store).shape[0])
    save_imported(tmp_path / "ours.safetensors", *import_weights(tmp_path / "theirs.pt", target))
    return tmp_path / "ours.safetensors"


def train(settings: list[str], store: Path, runs: Path) -> Run:
    return result(train_chain(resolve("protonet", "demo", [*QUICK, *settings]), open_store(store), CPU, runs))[0]


def test_a_run_starts_from_imported_weights_and_says_so(store: Path, weights: Path, tmp_path: Path) -> None:
    untouched = train([f"init.source={weights}", "budget.episodes=0"], store, tmp_path / "runs")
    mine, theirs = load_file(untouched.weights), load_file(weights)
    assert all(torch.equal(mine[f"model.backbone.{name}"], value) for name, value in theirs.items())
    done = train([f"init.source={weights}"], store, tmp_path / "runs")
    assert done.result().warnings == (WARNING,)  # type: ignore[union-attr]
    assert done.result().init_digest == untouched.result().init_digest != ""  # type: ignore[union-attr]
    recipe = done.recipe()
    assert measured(recipe, store).warnings == (WARNING,)
    plain = train([], store, tmp_path / "runs")
    assert plain.result().warnings == ()  # type: ignore[union-attr]
    assert plain.path != done.path
    weights.unlink()
    assert result(measure_run(done, recipe, open_store(store), CPU)).warnings == (WARNING,)


def measured(recipe: object, store: Path) -> object:
    return result(measure_untrained(recipe, open_store(store), CPU, store.parent))  # type: ignore[arg-type]


@pytest.mark.slow
def test_what_starts_from_such_a_run_says_so_too(store: Path, weights: Path, tmp_path: Path) -> None:
    first = train([f"init.source={weights}"], store, tmp_path / "runs")
    second = train([f"init.source={first.path}", "seed=1"], store, tmp_path / "runs")
    assert second.result().warnings == (WARNING,)  # type: ignore[union-attr]


def test_the_digest_is_that_of_the_weights_and_not_of_their_place(store: Path, weights: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(weights.read_bytes())
    here, there = (resolve("protonet", "demo", [*QUICK, f"init.source={path}"]) for path in (weights, moved))
    assert recipe_digest(here) == recipe_digest(there) != recipe_digest(resolve("protonet", "demo", QUICK))


def test_a_sweep_starts_from_imported_weights(store: Path, weights: Path, tmp_path: Path) -> None:
    todo = jobs(cells("protonet", "demo", [*QUICK, f"init.source={weights}"], ["seed=0,1"]), [open_store(store)] * 2)
    assert [job.needs for job in todo.values()] == ["", ""]
    train([f"init.source={weights}"], store, tmp_path / "runs")
    assert len(finished(todo, tmp_path / "runs")) == 1


def test_a_relative_path_holds_in_any_folder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights.parent)
    assert resolve("protonet", "demo", ["init.source=ours.safetensors"]).init.source == str(weights)


def test_sources_that_are_no_imported_weights(store: Path, weights: Path, tmp_path: Path) -> None:
    words = (
        r"`theirs.pt` is a checkpoint of other code. Make initial weights of it with `fszoo import-weights theirs.pt"
    )
    with pytest.raises(InvalidValue, match=words):
        train(["init.source=theirs.pt"], store, tmp_path / "runs")
    with pytest.raises(CheckpointError, match="there is no such file. `fszoo import-weights` makes one"):
        train(["init.source=absent.safetensors"], store, tmp_path / "runs")
    with pytest.raises(CheckpointError, match="imported for backbone stgcn, not agcn"):
        train([f"init.source={weights}", "backbone.name=agcn", "backbone.options={}"], store, tmp_path / "runs")
    run = train([], store, tmp_path / "runs")
    with pytest.raises(CheckpointError, match="is a checkpoint of a run. Name the folder of the run"):
        train([f"init.source={run.weights}"], store, tmp_path / "runs")
