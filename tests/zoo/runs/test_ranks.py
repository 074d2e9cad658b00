"""Runs of several processes under torchrun, against a run of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.small_run import SMALL
from helpers.stores import make_store
from safetensors.torch import load_file

from zoo.engine.ranks import ALONE, RankLost, Ranks
from zoo.engine.step import RunningStatistics
from zoo.runs import log
from zoo.runs.confusion_matrix import FILE
from zoo.runs.run import Run

SETTINGS = (
    *SMALL,
    "budget.batch=2",
    "budget.episodes=48",
    "budget.episodes_per_epoch=16",
    "budget.checkpoint_every=8",
    "budget.test_episodes=6",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)


def command(store: Path, out: Path, ranks: int, *settings: str) -> list[str]:
    start = [sys.executable, "-m"]
    if ranks > 1:
        start += ["torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m"]
    words = ["cli.fszoo", "train", "protonet", "--data", "demo", "--device", "cpu", "--store", str(store)]
    return [*start, *words, "--out", str(out), *(w for s in (*SETTINGS, *settings) for w in ("--set", s))]


def run(store: Path, out: Path, ranks: int, *settings: str) -> Run:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(store, out, ranks, *settings), check=True, env=environment, timeout=200)
    return Run(out)


def near(one: Run, other: Run) -> None:
    mine, theirs = load_file(one.checkpoint), load_file(other.checkpoint)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_two_ranks_train_as_one(store: Path, tmp_path: Path) -> None:
    one, two = run(store, tmp_path / "one", 1), run(store, tmp_path / "two", 2)
    losses = [[float(line["loss"]) for line in log.read(each.log)] for each in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    near(one, two)
    assert one.result() == two.result()
    assert (one.path / FILE).read_bytes() == (two.path / FILE).read_bytes()


@pytest.mark.slow
def test_a_rank_that_dies_is_continued_by_one(store: Path, tmp_path: Path) -> None:
    expected = run(store, tmp_path / "one", 1, "budget.episodes=400")
    words = command(store, tmp_path / "two", 2, "budget.episodes=400")
    with (tmp_path / "errors").open("w") as errors:
        both = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=errors)
    broken = Run(tmp_path / "two")
    deadline = time.monotonic() + 120
    while not broken.checkpoint.exists():
        assert both.poll() is None, (tmp_path / "errors").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(int(_ranks_of(both.pid)[1]), signal.SIGKILL)
    assert both.wait(timeout=120) != 0
    assert broken.result() is None
    near(run(store, tmp_path / "two", 1, "budget.episodes=400"), expected)


def _ranks_of(launcher: int) -> list[str]:
    """The processes that torchrun started, in order."""
    return Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()


def test_fewer_units_than_ranks_are_refused(store: Path, tmp_path: Path) -> None:
    from zoo.experiment.feed import SetupError
    from zoo.experiment.prepare import prepare
    from zoo.experiment.resolve import resolve
    from zoo.runs.execute import Runtime, execute

    recipe = resolve("protonet", "demo", [*SETTINGS, "budget.batch=1"])
    from prep.store.read import open_store

    prepared = prepare(recipe, open_store(store), torch.device("cpu"))
    with pytest.raises(SetupError, match=r"2 ranks share the 1 units of a step\. Set budget\.batch=2 or more"):
        list(execute(prepared, Run(tmp_path / "run"), Runtime(Ranks(0, 2))))


def test_a_lost_rank_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "all_reduce", gone)
    with pytest.raises(RankLost, match=r"another rank is gone .*continues from the last checkpoint"):
        Ranks(0, 2).sum([torch.zeros(1)])


def test_statistics_do_not_depend_on_how_units_are_dealt() -> None:
    """The mean of what each unit alone would have left; constants stay bit-identical."""
    norm = torch.nn.BatchNorm1d(3)
    norm.register_buffer("constant", torch.full((3,), 0.1))
    batches = [torch.randn(5, 3) + step for step in range(3)]
    alone = []
    for batch in batches:
        copy = torch.nn.BatchNorm1d(3)
        copy(batch)
        alone.append(copy.running_mean)
    statistics = RunningStatistics(norm)
    for batch in batches:
        norm(batch)
        statistics.end_unit()
    statistics.end_step(3, ALONE)
    torch.testing.assert_close(norm.running_mean, torch.stack(alone).mean(0))
    assert torch.equal(norm.constant, torch.full((3,), 0.1))
    assert int(norm.num_batches_tracked) == 1
