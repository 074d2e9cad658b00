"""A run whose files were changed by hand, or whose source is gone: refused or marked, never believed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.stores import make_store
from helpers.sweeps import SETTINGS

from prep.errors import PrepError
from prep.progress import result as finish
from prep.store.read import Store, open_store
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.runs.chain import measure_run, measure_untrained, train_chain
from zoo.runs.run import Run, RunError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2))


@pytest.fixture(scope="module")
def trained(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(store, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(trained.path, tmp_path / "run")))


def recipe(*settings: str) -> Recipe:
    return resolve("protonet", "demo", [*SETTINGS, *settings])


def train(store: Store, out: Path, *settings: str) -> Run:
    return finish(train_chain(recipe(*settings), store, CPU, out.parent, out))[0]


def change_recipe(run: Run, old: str, new: str) -> None:
    file = run.path / "recipe.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("unfinished", [False, True])
def test_a_recipe_that_was_changed_beside_its_weights_is_refused(store: Store, run: Run, unfinished: bool) -> None:
    change_recipe(run, "shot = 1", "shot = 2")
    if unfinished:
        (run.path / "result.json").unlink()
    with pytest.raises(RunError, match=r"recipe.toml: was changed since the run began. Put it back, or delete"):
        train(store, run.path)
    assert any("was changed after the training" in line for line in measured(run, store).warnings)


def measured(run: Run, store: Store) -> object:
    return finish(measure_run(run, run.recipe(), store, CPU))


def test_a_title_is_no_choice(store: Store, run: Run) -> None:
    change_recipe(run, 'title = "', 'title = "My ')
    assert train(store, run.path).result() == run.result()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"accuracy": float("nan")}, "accuracy"),
        ({"accuracy": 100.5}, "accuracy is 100.5; it must be a percentage"),
        ({"interval": -1.0}, "interval is -1.0; it must be at least 0"),
        ({"queries": 0}, "an accuracy needs its interval, episodes and queries"),
        ({"trained": -3}, "trained is -3"),
        ({"recipe_digest": 5}, "recipe_digest"),
    ],
)
def test_a_result_with_impossible_values(store: Store, run: Run, changes: dict[str, object], text: str) -> None:
    file = run.path / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(RunError, match=text) as error:
        train(store, run.path)
    assert "run the same `fszoo train` again" in str(error.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [("recipe_digest", "another recipe"), ("store_digest", "another store"), ("init_digest", "weights")],
)
def test_a_result_of_another_run(store: Store, run: Run, key: str, text: str) -> None:
    file = run.path / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: "f" * 64}))
    with pytest.raises(RunError, match=f"belongs to .*{text}"):
        train(store, run.path)


def test_a_log_that_is_no_text(store: Store, run: Run) -> None:
    (run.path / "result.json").unlink()
    run.log.write_bytes(b"\xff\xfe step\n\x00\x81,3\n" + run.log.read_bytes())
    assert train(store, run.path).result() is not None


def test_untrained_weights_need_no_source(store: Store, tmp_path: Path) -> None:
    """A source that is a run's folder is used while it exists; without it the random network is measured and marked."""
    first = train(store, tmp_path / "first")
    second = recipe(f"init.source={first.path}", "seed=1")
    assert finish(measure_untrained(second, store, CPU, tmp_path)).warnings == ()
    shutil.rmtree(first.path)
    gone = finish(measure_untrained(second, store, CPU, tmp_path))
    assert (gone.trained, gone.init_digest) == (0, "")
    assert gone.warnings[-1].endswith("which the run starts from, are not there: the network is random")


def test_a_folder_that_cannot_be_made_is_one_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrepError, match="Not a directory"):
        train(store, tmp_path / "file" / "run")
