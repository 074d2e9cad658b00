"""Runs of methods that use the names of novel classes: several parts of a source, and the warning of every result."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from helpers import tiny_backbone
from helpers.stores import embed, make_store
from safetensors.torch import load_file

from manifests.strict import parse
from prep.progress import result
from prep.store.read import Store
from zoo.engine.checkpoint import CheckpointError
from zoo.experiment.identity import recipe_digest
from zoo.experiment.recipe import Recipe, to_toml
from zoo.experiment.resolve import resolve
from zoo.runs.chain import measure_run, train_chain
from zoo.runs.result import NOVEL_NAMES, OTHER_QUERIES
from zoo.runs.run import Run

CPU = torch.device("cpu")
SIZES = ["method.options.hidden=16", "method.options.width=8"]
STAGE = [*SIZES, "budget.epochs=2", "budget.batch=12", "data.embedding=teacher", "method.options.teacher=text"]
OWN = [f"backbone.name={tiny_backbone.__file__}", "data.frames=8", "data.embedding=teacher", "budget.test_episodes=4"]
SETTINGS = [*OWN, "task.queries_per_class=2", *SIZES]
PARTS = ("backbone", "adapter", "projector", "predictor", "target_projector")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)
    return embed(path, "teacher")


def recipe(*stage: str, settings: tuple[str, ...] = ()) -> Recipe:
    return resolve("text_cache", "demo", [*SETTINGS, f"init.settings={json.dumps([*STAGE, *stage])}", *settings])


def train(chosen: Recipe, store: Store, runs: Path) -> Run:
    return result(train_chain(chosen, store, CPU, runs))[0]


def test_all_networks_of_the_transfer_are_taken_over(store: Store, tmp_path: Path) -> None:
    run = train(recipe(), store, tmp_path)
    (first,) = (path for path in tmp_path.iterdir() if path.name.startswith("transfer-"))
    mine, theirs = load_file(run.checkpoint), load_file(first / "checkpoint.safetensors")
    weights = {name: value for name, value in mine.items() if name.startswith("model.")}
    assert {name.split(".")[1] for name in weights} == set(PARTS)
    assert all(torch.equal(value, theirs[name]) for name, value in weights.items())


def test_every_result_says_that_names_of_novel_classes_are_used(store: Store, tmp_path: Path) -> None:
    chosen = recipe()
    run = train(chosen, store, tmp_path)
    first = run.result()
    assert first is not None
    assert first.uses_novel_names
    assert first.warnings == (NOVEL_NAMES,)
    again = result(measure_run(run, chosen, store, CPU))
    assert again.warnings == (NOVEL_NAMES,)
    assert again.accuracy == first.accuracy
    names_off = result(measure_run(run, recipe(settings=("method.options.text_weight=0.0",)), store, CPU))
    assert names_off.uses_novel_names


def test_every_result_says_that_other_queries_are_used(store: Store, tmp_path: Path) -> None:
    own = [*OWN[:2], "budget.episodes=2", "budget.validation_episodes=0", "budget.test_episodes=4"]
    chosen = resolve("smam_lite", "demo", [*own, "task.queries_per_class=2", "method.options.query_neighbours=2"])
    first = train(chosen, store, tmp_path).result()
    assert first is not None
    assert first.uses_other_queries
    assert first.warnings == (OTHER_QUERIES,)
    inductive = replace(chosen, method=replace(chosen.method, options={}))
    assert result(measure_run(Run(next(tmp_path.iterdir())), inductive, store, CPU)).warnings == ()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("method.options.width_mismatch=fixed", "has no module `adapter`. Name another one with init.part"),
        ("method.options.predictor=false", "has no module `predictor`. Name another one with init.part"),
        ("method.options.width=4", "does not fit the model at"),
    ],
)
def test_a_transfer_of_another_kind_is_refused(stage: str, message: str, store: Store, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        train(recipe(stage), store, tmp_path)


def test_a_list_of_parts_is_saved_and_one_part_is_a_choice_of_its_own() -> None:
    chosen = recipe()
    saved = parse(to_toml(chosen), "")
    assert tuple(saved["init"]["part"]) == chosen.init.parts == PARTS
    assert asdict(chosen)["init"]["part"] == PARTS
    single = recipe(settings=("init.part=backbone",))
    assert single.init.parts == ("backbone",)
    assert recipe_digest(single) != recipe_digest(chosen)
    assert recipe_digest(single) == recipe_digest(recipe(settings=('init.part="backbone"',)))
