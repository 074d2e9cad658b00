"""A loss that is not finite: the run stops, keeps what did it, and replays it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers import tiny_backbone
from helpers.stores import make_store
from safetensors.torch import load_file

from prep.progress import result
from prep.store.read import open_store
from zoo.engine.checkpoint import CheckpointError
from zoo.engine.train import Diverged
from zoo.experiment.resolve import resolve
from zoo.runs.chain import replay_run, train_chain
from zoo.runs.run import Run

CPU = torch.device("cpu")
METHOD = '''"""Fails at one episode."""

import torch

from zoo.methods import Method


class Model(Method):
    """A nearest mean whose query maps are infinite where the first query is clip {clip}."""

    def score(self, support, query):
        return -torch.cdist(query.mean((2, 3)), support.mean((2, 3, 4)))

    def maps(self, episode):
        support, query = super().maps(episode)
        bad = (episode.query_clip[:, :1] == {clip}).float().sum()
        return support, query / (1 - bad)
'''


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)


def settings() -> list[str]:
    own = [f"backbone.name={tiny_backbone.__file__}", "data.frames=8", 'data.streams=["joint"]']
    own += ["budget.episodes=60", "budget.episodes_per_epoch=20", "budget.validation_episodes=0"]
    return [*own, "budget.checkpoint_every=5", "task.queries_per_class=2", "evaluation.mirror=false"]


def test_the_episode_is_named_saved_and_replayed(store: Path, tmp_path: Path) -> None:
    from zoo.experiment.prepare import prepare

    opened = open_store(store)
    healthy = prepare(resolve("protonet", "demo", settings()), opened, CPU)
    assert healthy.train is not None
    firsts = [int(healthy.train.at(step).query_clip[0, 0]) for step in range(60)]
    step = next(step for step in range(17, 60) if firsts[step] not in firsts[:step])
    file = tmp_path / "fails.py"
    file.write_text(METHOD.format(clip=firsts[step]))
    recipe, run = resolve(str(file), "demo", settings()), Run(tmp_path / "run")
    with pytest.raises(Diverged, match=rf"step {step} \(episode or batch {step}: .*fszoo replay") as caught:
        result(train_chain(recipe, opened, CPU, tmp_path, run.path))
    assert (caught.value.step, caught.value.unit) == (step, step)
    assert int(load_file(run.diverged)["query_clip"][0, 0]) == firsts[step]
    before = run.checkpoint.read_bytes()
    replayed = result(replay_run(run, opened, CPU, tmp_path))
    assert (replayed.place.step, len(replayed.clips)) == (step, 15)
    assert replayed.operation or math.isnan(replayed.losses["loss"])
    assert replayed.module == "" or replayed.module.startswith("backbone")
    assert run.checkpoint.read_bytes() == before


@pytest.mark.slow
def test_a_run_that_did_not_diverge_has_nothing_to_replay(store: Path, tmp_path: Path) -> None:
    run, opened = Run(tmp_path / "run"), open_store(store)
    recipe = resolve("protonet", "demo", [*settings(), "budget.episodes=5"])
    result(train_chain(recipe, opened, CPU, tmp_path, run.path))
    with pytest.raises(CheckpointError, match="no loss of this run was infinite or NaN"):
        result(replay_run(run, opened, CPU, tmp_path))


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param("tf32", marks=pytest.mark.slow),
        pytest.param("bfloat16", marks=pytest.mark.slow),
        pytest.param("float16", marks=pytest.mark.slow),
    ],
)
def test_half_precision_trains_and_resumes(store: Path, tmp_path: Path, precision: str) -> None:
    from zoo.experiment.prepare import prepare
    from zoo.runs.execute import execute

    opened, own = open_store(store), [*settings(), f"precision={precision}", "budget.episodes=20"]
    whole = Run(tmp_path / "whole")
    result(execute(prepare(resolve("protonet", "demo", own), opened, CPU), whole))
    broken = Run(tmp_path / "broken")
    for _ in execute(prepare(resolve("protonet", "demo", own), opened, CPU), broken):
        break
    result(execute(prepare(resolve("protonet", "demo", own), opened, CPU), broken))
    mine, theirs = load_file(whole.checkpoint), load_file(broken.checkpoint)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert all(value.isfinite().all() for value in mine.values())
