"""Runs that start from other runs, and what a pre-training stage may see."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_backbone
from helpers.stores import embed, make_store
from safetensors.torch import load_file

from episodes.pool import Pool
from manifests.split_file import split
from prep.progress import result
from prep.store.embedding_key import TextKey, TextMetadata, VideoKey, VideoMetadata
from prep.store.embeddings import open_embedding
from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.read import open_store
from zoo.backbones._backbone import ShapeError
from zoo.engine.checkpoint import CheckpointError
from zoo.engine.train import Diverged
from zoo.experiment import feed
from zoo.experiment.feed import SetupError
from zoo.experiment.prepare import prepare
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.runs.chain import measure_run, train_chain
from zoo.runs.run import Run, RunError

CPU = torch.device("cpu")
CLIPS = [f"backbone.name={tiny_backbone.__file__}", "data.frames=8"]
STAGE = [*CLIPS, "budget.epochs=2", "budget.batch=12", "budget.checkpoint_every=12"]
CHAIN = [
    *CLIPS,
    "budget.episodes=6",
    "budget.episodes_per_epoch=3",
    "budget.validation_episodes=2",
    "budget.test_episodes=4",
    "budget.checkpoint_every=2",
    "task.queries_per_class=2",
    'init.settings=["budget.epochs=2", "budget.batch=12", "budget.checkpoint_every=12"]',
]
TEXT = TextMetadata(TextKey("teacher", "w", ("{}",), "float32", "float32"), "w", True, "tests")
TRANSFER = [*STAGE, "data.embedding=teacher", "method.options.hidden=16", "method.options.width=8"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)
    opened, rng = open_store(path), np.random.default_rng(0)
    done = rng.random(len(opened)) < 0.8
    vectors = rng.standard_normal((len(opened), 6)).astype(np.float32) * done[:, None]
    key = VideoKey("teacher", "w", 8, 224, "joints", "pyav", "float32", "float32")
    frames = np.full(len(opened), -1, np.int32)
    opened = keep_videos(opened, "teacher", vectors, done, frames, VideoMetadata(key, "w", True, "tests"))
    keep_texts(opened, "teacher", rng.standard_normal((24, 6)).astype(np.float32), TEXT)
    return path


def train(recipe: Recipe, store: Path, runs: Path) -> Run:
    return result(train_chain(recipe, open_store(store), CPU, runs))[0]


def same(one: Run, other: Run) -> bool:
    mine, theirs = load_file(one.checkpoint), load_file(other.checkpoint)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_chain_is_two_runs_from_one_command(store: Path, tmp_path: Path) -> None:
    run = train(resolve("finetuned_cosine", "demo", CHAIN), store, tmp_path)
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert [name.split("-")[0] for name in folders] == ["finetuned_cosine", "supervised"]
    first, last = Run(tmp_path / folders[1]).result(), run.result()
    assert first is not None
    assert last is not None
    assert last.init_digest == first.weights_digest != ""
    assert (first.accuracy, first.trained) == (None, 144)
    assert last.accuracy is not None


def test_the_first_run_is_made_once_and_used_by_all(store: Path, tmp_path: Path) -> None:
    train(resolve("finetuned_cosine", "demo", CHAIN), store, tmp_path)
    (first,) = tmp_path.glob("supervised-*")
    before = first.joinpath("checkpoint.safetensors").stat().st_mtime_ns
    train(resolve("finetuned_cosine", "demo", [*CHAIN, "method.options.scale=5.0"]), store, tmp_path)
    assert first.joinpath("checkpoint.safetensors").stat().st_mtime_ns == before
    assert len(list(tmp_path.iterdir())) == 3


def test_the_backbone_comes_from_the_first_run(store: Path, tmp_path: Path) -> None:
    recipe = resolve("finetuned_cosine", "demo", [*CHAIN, "budget.episodes=0"])
    run = train(recipe, store, tmp_path)
    (first,) = tmp_path.glob("supervised-*")
    mine, theirs = load_file(run.weights), load_file(Run(first).weights)
    backbone = [key for key in theirs if key.startswith("model.backbone.")]
    assert backbone
    assert all(torch.equal(mine[key], theirs[key]) for key in backbone)


def test_a_chain_of_three_does_only_what_is_missing(store: Path, tmp_path: Path) -> None:
    """Supervised pre-training, representation transfer from its weights, then episodes."""
    small = [*STAGE[2:], "method.options.hidden=16", "method.options.width=8", "data.embedding=teacher"]
    middle = [*small, "init.source=supervised", f"init.settings={json.dumps(STAGE[2:])}"]
    own = [setting for setting in CHAIN if "init" not in setting]
    recipe = resolve("crossmodal", "demo", [*own, f"init.settings={json.dumps(middle)}"])
    last = train(recipe, store, tmp_path)
    folders = {path.name.split("-")[0]: path for path in tmp_path.iterdir()}
    assert set(folders) == {"supervised", "transfer", "crossmodal"}
    before, weights = {name: written(path) for name, path in folders.items()}, load_file(last.weights)
    shutil.rmtree(folders["transfer"])
    again = train(recipe, store, tmp_path)
    assert {name for name, path in folders.items() if written(path) == before[name]} == {"supervised", "crossmodal"}
    assert again.path == last.path
    shutil.rmtree(folders["crossmodal"])
    assert_equal(load_file(train(recipe, store, tmp_path).weights), weights)
    assert written(folders["supervised"]) == before["supervised"]


def written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix != ".lock"}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


@pytest.mark.parametrize("stop", [1, 9])
def test_a_chain_that_was_stopped_ends_with_the_same_weights(store: Path, tmp_path: Path, stop: int) -> None:
    """Stopped in the first run, and in the second."""
    recipe = resolve("finetuned_cosine", "demo", CHAIN)
    straight = train(recipe, store, tmp_path / "straight")
    broken = train_chain(recipe, open_store(store), CPU, tmp_path / "broken")
    for _ in range(stop):
        next(broken)
    broken.close()
    again = train(recipe, store, tmp_path / "broken")
    assert again.path.name == straight.path.name
    assert same(straight, again)
    assert straight.result() == again.result()


STAGES = [("supervised", STAGE), ("byol", STAGE), ("transfer", TRANSFER)]
MORE_STAGES = ["byol_asymmetric", "aimclr", "koopman_pooling", "skeleton_dml_training", "transfer_as_stated"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *STAGES,
        *(
            pytest.param(name, TRANSFER if "transfer" in name else STAGE, marks=pytest.mark.slow)
            for name in MORE_STAGES
        ),
    ],
)
@pytest.mark.slow
def test_a_stage_that_was_stopped_ends_with_the_same_weights(
    store: Path, tmp_path: Path, name: str, settings: list[str]
) -> None:
    recipe = resolve(name, "demo", settings)
    straight = train(recipe, store, tmp_path / "straight")
    broken = train_chain(recipe, open_store(store), CPU, tmp_path / "broken")
    for _ in range(3):
        next(broken)
    broken.close()
    assert same(straight, train(recipe, store, tmp_path / "broken"))


def test_a_finished_run_is_a_source_too(store: Path, tmp_path: Path) -> None:
    first = train(resolve("supervised", "demo", STAGE), store, tmp_path / "first")
    settings = [setting for setting in CHAIN if "init" not in setting]
    recipe = resolve("protonet", "demo", [*settings, f"init.source={first.path}"])
    assert train(recipe, store, tmp_path).result().init_digest == first.result().weights_digest  # type: ignore[union-attr]
    (first.path / "result.json").unlink()
    with pytest.raises(RunError, match="not finished, so nothing can start from it"):
        train(replace(recipe, seed=1), store, tmp_path)


def test_a_part_that_does_not_fit_is_named(store: Path, tmp_path: Path) -> None:
    first = train(resolve("supervised", "demo", STAGE), store, tmp_path / "first")
    settings = [setting for setting in CHAIN if "init" not in setting]
    with pytest.raises(CheckpointError, match="has no module `head`. Name another one with init.part"):
        train(resolve("protonet", "demo", [*settings, f"init.source={first.path}", "init.part=head"]), store, tmp_path)
    wider = resolve("protonet", "demo", [*settings, f"init.source={first.path}", "backbone.options.features=16"])
    with pytest.raises(CheckpointError, match="does not fit the model at"):
        train(wider, store, tmp_path)


def own_split(folder: Path, train_classes: str, test_classes: str) -> str:
    file = folder / f"mine{len(list(folder.glob('*.toml')))}.toml"
    text = 'title = "x"\nsource = "x"\ndataset = "demo"\nprotocol = "episodic"\nseed = 0\n'
    file.write_text(text + f"train = {train_classes}\ntest = {test_classes}\n")
    return str(file)


def test_weights_that_saw_a_novel_class_are_refused(store: Path, tmp_path: Path) -> None:
    seen = own_split(tmp_path, "[0, 1, 2, 3, 4, 5]", "[6, 7, 8, 9, 10]")
    first = train(resolve("supervised", seen, STAGE), store, tmp_path / "first")
    settings = [setting for setting in CHAIN if "init" not in setting]
    novel = own_split(tmp_path, "[11, 12, 13, 14, 15]", "[4, 5, 6, 7, 8]")
    settings += [f"init.source={first.path}", "budget.validation_episodes=0"]
    with pytest.raises(SetupError, match=r"trained on the classes \[4, 5\], which are novel in mine1"):
        train(resolve("protonet", novel, settings), store, tmp_path)


def test_no_clip_or_name_of_a_novel_class_reaches_a_stage(store: Path) -> None:
    prepared = prepare(resolve("transfer", "demo", TRANSFER), open_store(store), CPU)
    base = split("demo").train
    pool = prepared.train.transforms[0].pool  # type: ignore[union-attr]
    assert set(pool.label.tolist()) == set(base)
    assert prepared.learner.known.classes == tuple(open_store(store).info.classes[label] for label in base)
    assert prepared.train.targets[0].shape == (len(pool.names), 6)  # type: ignore[union-attr,index]
    whole = Pool.load(open_store(store))
    with pytest.raises(SetupError, match=r"is of the novel class 2 \(wave both hands\): a pre-training stage may not"):
        feed.check_no_novel(whole, [2])


def test_targets_are_those_of_the_clips(store: Path) -> None:
    prepared = prepare(resolve("transfer", "demo", [*TRANSFER, "method.options.teacher=video"]), open_store(store), CPU)
    embedding = open_embedding(open_store(store), "teacher")
    pool = prepared.train.transforms[0].pool  # type: ignore[union-attr]
    vectors, has = prepared.train.targets  # type: ignore[union-attr,misc]
    clips = pool.clip_id.numpy()
    assert np.array_equal(has.numpy(), embedding.done[clips])
    expected = torch.nn.functional.normalize(torch.from_numpy(embedding.video[clips]), dim=-1)
    torch.testing.assert_close(vectors, expected)


def test_clips_without_a_video_are_left_out_and_counted(store: Path, tmp_path: Path) -> None:
    opened, base = open_store(store), np.isin(open_store(store).label, split("demo").train)
    missing = int((base & ~open_embedding(opened, "teacher").done).sum())
    run = train(resolve("transfer", "demo", TRANSFER), store, tmp_path)
    rule = f"{missing} of {int(base.sum())} clips of the base classes have no vector in `teacher` and were left out"
    assert missing > 0
    assert run.result().warnings == (rule,)  # type: ignore[union-attr]
    assert train(resolve("supervised", "demo", STAGE), store, tmp_path).result().warnings == ()  # type: ignore[union-attr]


def test_too_few_videos_are_refused(tmp_path: Path) -> None:
    path = make_store(tmp_path / "one.zarr", clips_per_class=6)
    first = int(np.argmax(open_store(path).label == split("demo").train[0]))
    one = embed(path, "teacher", missing=[clip for clip in range(24 * 6) if clip != first])
    rule = "1 of .* clips of the base classes have a vector in `teacher`; transfer needs at least 2"
    with pytest.raises(SetupError, match=rf"{rule}.*`fsprep embed-videos --name teacher`"):
        prepare(resolve("transfer", "demo", TRANSFER), one, CPU)


@pytest.mark.parametrize("name", ["transfer", "byol", "aimclr", "metric_learning"])
def test_a_batch_of_one_clip_is_refused(store: Path, name: str) -> None:
    recipe = resolve({"metric_learning": "sl_dml_training"}.get(name, name), "demo", [*TRANSFER[:2], "budget.epochs=1"])
    recipe = replace(
        recipe, budget=replace(recipe.budget, batch=1, per_class=0), data=replace(recipe.data, embedding="teacher")
    )
    with pytest.raises(SetupError, match=rf"budget\.batch is 1; {name} normalises over .* needs at least 2"):
        prepare(recipe, open_store(store), CPU)


def test_a_backbone_without_parameters_is_not_pretrained(store: Path) -> None:
    recipe = resolve("supervised", "demo", [*STAGE[1:], "backbone.name=geometry"])
    with pytest.raises(
        SetupError, match="supervised keeps the backbone alone, and geometry has no parameters to train"
    ):
        prepare(recipe, open_store(store), CPU)


def test_a_diverged_run_names_the_recipe_with_a_lower_rate(store: Path, tmp_path: Path) -> None:
    recipe = resolve("transfer_as_stated", "demo", [*TRANSFER, "optimiser.lr=1e30"])
    with pytest.raises(Diverged, match=r"recipe `transfer` trains with optimiser\.lr=0\.001 instead of 1e\+30"):
        train(recipe, store, tmp_path)


def test_a_collapsed_run_says_so_and_names_the_recipe_with_a_lower_rate(store: Path, tmp_path: Path) -> None:
    """At 0.1 and a weight decay of 10 nothing but zeros is left of the backbone."""
    settings = [*TRANSFER, "optimiser.weight_decay=10", "budget.epochs=30"]
    run = train(resolve("transfer_as_stated", "demo", settings), store, tmp_path)
    warning = run.result().warnings[-1]  # type: ignore[union-attr]
    assert warning.startswith("transfer_as_stated has collapsed: its backbone gives all clips the same vector. The rec")
    assert warning.endswith("`transfer` trains with optimiser.lr=0.001 instead of 0.1")
    healthy = train(resolve("transfer", "demo", TRANSFER), store, tmp_path).result()
    assert healthy is not None
    assert not any("collapsed" in line for line in healthy.warnings)


def test_what_a_stage_lacks_is_named_with_the_command(store: Path, tmp_path: Path) -> None:
    opened = open_store(store)
    with pytest.raises(SetupError, match=r"name one with --set data\.embedding=NAME"):
        prepare(resolve("transfer", "demo", [*STAGE, "data.embedding="]), opened, CPU)
    plain = make_store(tmp_path / "text.zarr", clips_per_class=6)
    keep_texts(open_store(plain), "teacher", np.ones((24, 6), np.float32), TEXT)
    with pytest.raises(SetupError, match=r"`teacher` has no video vectors.*Run `fsprep embed-videos --name teacher`"):
        prepare(resolve("transfer", "demo", TRANSFER), open_store(plain), CPU)


def test_a_stage_is_not_measured(store: Path, tmp_path: Path) -> None:
    recipe = resolve("supervised", "demo", STAGE)
    run = train(recipe, store, tmp_path)
    with pytest.raises(RunError, match=r"a pre-training run has no test accuracy. Train a method with init\.source="):
        result(measure_run(run, recipe, open_store(store), CPU))


def test_another_seed_draws_other_clips(tmp_path: Path) -> None:
    """Repeated class draws of clips, so that the spread over draws can be reported."""
    whole = make_store(tmp_path / "whole.zarr", clips_per_class=6, name="ntu120", frames=(8, 10))
    few = ["data.clips_per_class=3", "task.queries_per_class=1", "budget.episodes=1", *CLIPS]

    def clips(*settings: str) -> set[str]:
        recipe = resolve("protonet", "ntu_t", [*few, *settings])
        return set(feed.load_pools(recipe, open_store(whole), CPU, training=True).test.names)

    assert len(clips()) == len(clips("data.clip_seed=7")) == 3 * 20
    assert clips() == clips("data.clip_seed=2022") != clips("data.clip_seed=7")
    subset = make_store(tmp_path / "subset.zarr", clips_per_class=6, name="ntu120", subset="ntu_t", frames=(8, 10))
    recipe = resolve("protonet", "ntu_t", [*few, "data.clip_seed=7"])
    with pytest.raises(SetupError, match=r"holds the clips of `ntu_t` only .* build all of ntu120"):
        feed.load_pools(recipe, open_store(subset), CPU, training=True)


NAMED = """
from torch import nn
from zoo.methods import Method

class Model(Method):
    uses_names = True

    def __init__(self, backbone, options, known):
        super().__init__(backbone, options, known)
        self.names = nn.Parameter(known.text.clone())

    def score(self, support, query):
        return -(query[:, :, None] - support.mean(2)[:, None]).square().mean((3, 4, 5)) + 0 * self.names.sum()
"""


def test_only_names_of_base_classes_are_known_and_only_where_declared(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "named.py"
    file.write_text(NAMED)
    settings = [*CLIPS, "data.embedding=teacher", "task.queries_per_class=2"]
    known = prepare(resolve(str(file), "demo", settings), open_store(store), CPU).learner.known
    text = open_embedding(open_store(store), "teacher").text
    assert known.text is not None
    assert np.array_equal(known.text.numpy(), text[list(split("demo").train)])
    assert prepare(resolve("protonet", "demo", settings), open_store(store), CPU).learner.known.text is None


@pytest.mark.parametrize("source", ["mine.toml", "first"])
@pytest.mark.slow
def test_a_source_given_by_a_relative_path_is_found_from_another_folder(
    source: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = result(train_chain(resolve("supervised", "demo", STAGE), open_store(store), CPU, tmp_path, Path("first")))[
        0
    ]
    Path("mine.toml").write_bytes((first.path / "recipe.toml").read_bytes())
    settings = [f"init.source={source}" if setting.startswith("init.") else setting for setting in CHAIN]
    run = train(resolve("protonet", "demo", settings), store, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = result(measure_run(run, resolve(str(run.path)), open_store(store), CPU))
    before = run.result()
    assert before is not None
    assert again.accuracy == before.accuracy


def test_a_run_is_measured_without_the_run_that_it_started_from(store: Path, tmp_path: Path) -> None:
    first = train(resolve("supervised", "demo", STAGE), store, tmp_path / "first")
    settings = [setting for setting in CHAIN if "init" not in setting]
    recipe = resolve("protonet", "demo", [*settings, f"init.source={first.path}"])
    run = train(recipe, store, tmp_path)
    shutil.rmtree(first.path)
    again = result(measure_run(run, run.recipe(), open_store(store), CPU))
    assert replace(again, validation=None) == replace(run.result(), validation=None)  # type: ignore[type-var]


def test_a_folder_named_like_a_recipe_is_not_taken_for_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(resolve("byol", "demo", STAGE), store, tmp_path / "first")
    first.path.rename(tmp_path / "supervised")
    monkeypatch.chdir(tmp_path)
    train(resolve("finetuned_cosine", "demo", CHAIN), store, tmp_path / "runs")
    assert {path.name.split("-")[0] for path in (tmp_path / "runs").iterdir()} == {"finetuned_cosine", "supervised"}


def test_what_does_not_fit_is_refused_before_the_first_run_is_trained(store: Path, tmp_path: Path) -> None:
    settings = [setting for setting in CHAIN if "backbone" not in setting]
    recipe = resolve("trx", "demo", [*settings, "init.source=supervised", "backbone.name=tcn", "data.frames=4"])
    with pytest.raises(ShapeError, match="trx needs maps of at least 3 frames, but those of tcn have 1 for clips of 4"):
        train(recipe, store, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
