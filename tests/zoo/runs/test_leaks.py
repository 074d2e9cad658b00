"""No weight depends on a novel class: its clips, the vectors of its videos and that of its name are poisoned."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_backbone
from helpers.stores import embed, make_store
from safetensors.torch import load_file

from manifests.split_file import split
from prep.progress import result
from prep.store.read import Store
from zoo.engine.train import Diverged
from zoo.experiment import embedded, feed
from zoo.experiment.prepare import prepare
from zoo.experiment.resolve import resolve
from zoo.pretrain._stage import Teacher
from zoo.runs.chain import train_chain

BASE = split("demo").train
NOVEL = tuple(label for label in range(24) if label not in BASE)
STAGE = ["budget.epochs=2", "budget.batch=12", "data.embedding=teacher"]
SMALL = [*STAGE, "method.options.hidden=16", "method.options.width=8"]
EPISODES = [
    f"backbone.name={tiny_backbone.__file__}",
    "data.frames=8",
    "budget.episodes=6",
    "budget.episodes_per_epoch=3",
    "budget.validation_episodes=0",
    "budget.test_episodes=1",
    "task.queries_per_class=2",
    "data.embedding=teacher",
]
RECIPES = {
    "crossmodal": SMALL,
    "crossmodal_text": [*SMALL, "method.options.teacher=text"],
    "finetuned_cosine": STAGE[:2],
    "apsr_lite": STAGE[:2],
}


def store_of(path: Path, poison: Collection[int]) -> Store:
    make_store(path, clips_per_class=6, separable=0.2, poison=poison)
    return embed(path, "teacher", poison=poison)


def weights(name: str, store: Store, runs: Path) -> dict[str, torch.Tensor]:
    """Of all runs of the chain."""
    recipe = resolve(name, "demo", [*EPISODES, f"init.settings={json.dumps(RECIPES[name])}"])
    result(train_chain(recipe, store, torch.device("cpu"), runs))
    files = {run.name.split("-")[0]: load_file(run / "checkpoint.safetensors") for run in runs.iterdir()}
    return {f"{run}.{key}": value for run, file in files.items() for key, value in file.items()}


def unequal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [key for key in one if not torch.equal(one[key], other[key])]


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[] if each in ("crossmodal", "apsr_lite") else [pytest.mark.slow]) for each in RECIPES],
)
def test_weights_do_not_depend_on_novel_classes(name: str, tmp_path: Path) -> None:
    clean = weights(name, store_of(tmp_path / "clean.zarr", ()), tmp_path / "clean")
    poisoned = weights(name, store_of(tmp_path / "novel.zarr", NOVEL), tmp_path / "novel")
    assert unequal(clean, poisoned) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_poison_in_a_base_class_is_noticed(name: str, tmp_path: Path) -> None:
    clean = weights(name, store_of(tmp_path / "clean.zarr", ()), tmp_path / "clean")
    try:
        assert unequal(clean, weights(name, store_of(tmp_path / "base.zarr", BASE[:1]), tmp_path / "base"))
    except Diverged:
        assert name


@pytest.mark.parametrize("leak", ["vectors", "clips"])
def test_a_leak_is_noticed(leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that subtracts the mean of all vectors, and a pool with the first novel clip for a base clip."""
    teacher, chosen = embedded.teacher, feed._chosen_clips

    def centred(recipe: object, store: Store, pool: object) -> object:
        own = teacher(recipe, store, pool)  # type: ignore[arg-type]
        mean = torch.from_numpy(embedded.stored_embedding(recipe, store).video.mean(0))  # type: ignore[arg-type]
        return Teacher(own.video - mean, own.has_video, own.text)  # type: ignore[operator]

    def with_novel(recipe: object, store: Store, ids: Collection[int]) -> list[int]:
        return [int(np.argmax(store.label == NOVEL[0])), *chosen(recipe, store, ids)[1:]]  # type: ignore[arg-type]

    stores = store_of(tmp_path / "clean.zarr", ()), store_of(tmp_path / "novel.zarr", NOVEL)
    if leak == "vectors":
        monkeypatch.setattr(embedded, "teacher", centred)
        clean, poisoned = (weights("crossmodal", each, tmp_path / str(i)) for i, each in enumerate(stores))
        assert unequal(clean, poisoned)
        return
    monkeypatch.setattr(feed, "_chosen_clips", with_novel)
    with pytest.raises(feed.SetupError, match="a pre-training stage may not see it"):
        weights("crossmodal", stores[0], tmp_path / "clips")


NAMED = """
from zoo.pretrain.supervised import Model as Supervised, Options

class Model(Supervised):
    uses_novel_names = True
"""


def test_only_a_method_that_says_so_knows_the_names_of_novel_classes(tmp_path: Path) -> None:
    store, cpu = store_of(tmp_path / "clean.zarr", NOVEL), torch.device("cpu")
    text = torch.from_numpy(embedded.stored_embedding(resolve("apsr_lite", "demo", EPISODES), store).text)
    for name in ("protonet", "apsr_lite", "text_cache"):
        known = prepare(resolve(name, "demo", EPISODES), store, cpu).learner.known
        assert (known.class_text is None) == (name == "protonet")
        assert known.class_text is None or torch.equal(known.class_text, text)
    for name, settings in (("supervised", STAGE), ("transfer", SMALL)):
        assert prepare(resolve(name, "demo", settings), store, cpu).learner.known.class_text is None
    file = tmp_path / "named.py"
    file.write_text(NAMED)
    with pytest.raises(feed.SetupError, match="a pre-training stage may not know the names of novel classes. Set `use"):
        prepare(resolve(str(file), "demo", STAGE[:2]), store, cpu)


def test_a_store_without_names_says_which_command_makes_them(tmp_path: Path) -> None:
    make_store(tmp_path / "clean.zarr", clips_per_class=6)
    store = embed(tmp_path / "clean.zarr", "teacher", texts=False)
    with pytest.raises(feed.SetupError, match="has no text vectors, which apsr_lite needs. Run `fsprep embed-text"):
        prepare(resolve("apsr_lite", "demo", EPISODES), store, torch.device("cpu"))
