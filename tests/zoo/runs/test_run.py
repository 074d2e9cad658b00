"""Training on disk: learns, is resumed to the same numbers, and refuses what does not belong to it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.small_run import SMALL
from helpers.stores import make_store
from safetensors.torch import load_file

from episodes.options import EpisodeError
from prep import files
from prep.errors import PrepError
from prep.progress import Step, Work
from prep.progress import result as finish
from prep.store.read import open_store
from zoo.engine.checkpoint import CheckpointError, read_header
from zoo.engine.evaluate import Accuracy
from zoo.engine.header import Progress
from zoo.engine.train import Diverged
from zoo.experiment.feed import SetupError
from zoo.experiment.identity import recipe_digest
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.runs import execute as execution
from zoo.runs import log
from zoo.runs.chain import measure_run, measure_untrained, train_chain
from zoo.runs.execute import execute
from zoo.runs.measurement import result_of
from zoo.runs.result import Result
from zoo.runs.run import Run, RunError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)


def small(name: str = "protonet", settings: Sequence[str] = ()) -> Recipe:
    return resolve(name, "demo", [*SMALL, *settings])


def setup(store: Path, settings: Sequence[str] = (), name: str = "protonet") -> Prepared:
    return prepare(small(name, settings), open_store(store), CPU)


def whole(store: Path, run: Run, settings: Sequence[str] = (), name: str = "protonet") -> Result:
    return finish(execute(setup(store, settings, name), run))


def measured(store: Path, run: Run, recipe: Recipe | None = None) -> Result:
    return finish(measure_run(run, recipe or small(), open_store(store), CPU))


@pytest.fixture(scope="module")
def undisturbed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("runs") / "undisturbed")
    whole(store, run)
    return run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.checkpoint)


def same(one: Run, other: Run) -> bool:
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_run_learns_and_says_how_it_was_made(store: Path, undisturbed: Run) -> None:
    result = undisturbed.result()
    assert result is not None
    assert result.accuracy > 60
    assert finish(measure_untrained(small(), open_store(store), CPU, undisturbed.path)).trained == 0
    assert result.validation is not None
    assert (result.trained, result.episodes, result.queries) == (24, 10, 100)
    assert result.recipe_digest == recipe_digest(small())
    assert undisturbed.recipe() == small()
    steps = [int(line["step"]) for line in log.read(undisturbed.log)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 24


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_stopped_run_is_resumed_to_the_same_weights(store: Path, undisturbed: Run, tmp_path: Path, stop: int) -> None:
    run = Run(tmp_path / "run")
    for number, _ in enumerate(execute(setup(store), run), 1):
        if number == stop:
            break
    if run.log.exists():
        run.log.write_text(run.log.read_text() + "999,12,0.1,0.1,,,0.1\n10,1")  # what a killed run may leave
    result = whole(store, run)
    assert same(run, undisturbed)
    assert result == undisturbed.result()
    assert run.log.read_text() == undisturbed.log.read_text()


@pytest.mark.parametrize(
    "settings",
    [
        ["optimiser.schedule=plateau", "optimiser.patience=0"],
        ["optimiser.schedule=cosine", "optimiser.name=sgd"],
        ["budget.batch=2", "optimiser.grad_clip=1.0"],
        ["method.name=dastm", "precision=bfloat16"],
    ],
)
@pytest.mark.slow
def test_every_schedule_resumes(store: Path, tmp_path: Path, settings: list[str]) -> None:
    settings = [
        *settings,
        "budget.episodes=8",
        "budget.episodes_per_epoch=4",
        "budget.validation_episodes=2",
        "budget.checkpoint_every=2",
    ]
    straight, broken = Run(tmp_path / "straight"), Run(tmp_path / "broken")
    expected = whole(store, straight, settings)
    for _ in execute(setup(store, settings), broken):
        break
    assert whole(store, broken, settings) == expected
    assert same(straight, broken)


def test_a_full_disk_loses_nothing(
    store: Path, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = Run(tmp_path / "run"), []

    def full(_: int) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        whole(store, run)
    assert whole(store, run) == undisturbed.result()
    assert same(run, undisturbed)


def test_evaluation_again_gives_the_same_number(store: Path, undisturbed: Run) -> None:
    assert replace(measured(store, undisturbed), validation=None) == replace(undisturbed.result(), validation=None)


def test_early_stopping_counts_epochs_without_a_new_best(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.5, 0.6, 0.4, 0.4, 0.9])

    def scripted(*_: object, **__: object) -> Work[Accuracy]:
        yield Step(1, 1)
        return Accuracy(next(accuracies), 0.0, 1, 1)

    monkeypatch.setattr(execution, "measure", scripted)
    monkeypatch.setattr(execution, "evaluate", lambda prepared, progress, *_: unmeasured(prepared, progress))
    settings = ["budget.early_stopping=2", "budget.episodes=100", "budget.episodes_per_epoch=2"]
    whole(store, Run(tmp_path / "run"), settings)
    records = log.read(tmp_path / "run" / "log.csv")
    assert [float(record["validation"]) for record in records if record["validation"]] == [0.5, 0.6, 0.4, 0.4]
    assert read_header(tmp_path / "run" / "best.safetensors").progress.best_step == 4
    assert records[-1]["step"] == "8"


def unmeasured(prepared: Prepared, progress: Progress) -> Work[Result]:
    yield Step(1, 1)
    return result_of(prepared, progress)


def test_another_recipe_or_store_may_not_continue_a_run(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(undisturbed.path, tmp_path / "copy")))
    with pytest.raises(RunError, match="belongs to another recipe"):
        next(execute(setup(store, ["seed=1"]), copy))
    other = make_store(tmp_path / "other.zarr", clips_per_class=6, seed=9)
    with pytest.raises(RunError, match="belongs to another store"):
        next(execute(setup(other), copy))


def test_a_checkpoint_must_fit_the_store(undisturbed: Run, tmp_path: Path) -> None:
    ucla = make_store(tmp_path / "ucla.zarr", clips_per_class=6, name="nw_ucla")
    recipe = resolve("protonet", "nw_ucla", [*SMALL, "budget.exemplar_draws=1"])
    with pytest.raises(CheckpointError, match="trained on layout ntu25 with 1 bodies; this store has kinect20"):
        measured(ucla, undisturbed, recipe)
    two = make_store(tmp_path / "two.zarr", clips_per_class=6, bodies=2)
    with pytest.raises(CheckpointError, match="this store has ntu25 with 2"):
        measured(two, undisturbed)


def test_a_damaged_checkpoint_is_named(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(undisturbed.path, tmp_path / "copy")))
    (copy.path / "result.json").unlink()
    copy.checkpoint.write_bytes(copy.checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: damaged"):
        next(execute(setup(store), copy))


def test_the_wrong_store_is_named(tmp_path: Path) -> None:
    ucla = make_store(tmp_path / "ucla.zarr", clips_per_class=2, name="nw_ucla")
    with pytest.raises(SetupError, match="holds nw_ucla, but split demo belongs to demo"):
        setup(ucla)
    demo = make_store(tmp_path / "demo.zarr", clips_per_class=4)
    with pytest.raises(SetupError, match="was preprocessed by `agcn`, the recipe asks for `ctrgcn`"):
        setup(demo, ["data.preprocessing=ctrgcn"])


def test_a_class_that_is_too_small_is_named_before_the_run(tmp_path: Path) -> None:
    store = make_store(tmp_path / "short.zarr", clips_per_class=4, skip={14: 3})
    with pytest.raises(EpisodeError, match=r"clap.*has 1 clips"):
        setup(store)


def test_a_loss_that_is_no_number_stops_the_run(store: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"not a finite number in step .*Lower optimiser\.lr"):
        list(execute(setup(store, ["optimiser.lr=1e30", "optimiser.name=sgd"]), Run(tmp_path / "run")))


def test_the_exemplar_protocol_asks_every_other_clip(tmp_path: Path) -> None:
    ucla = make_store(tmp_path / "ucla.zarr", clips_per_class=9, name="nw_ucla", separable=0.2)
    recipe = resolve("protonet", "nw_ucla", [*SMALL, "budget.exemplar_draws=3", "task.shot=2"])
    result = whole_of(recipe, ucla, Run(tmp_path / "run"))
    assert (result.episodes, result.queries) == (3, 3 * 5 * 7)


def whole_of(recipe: Recipe, store: Path, run: Run) -> Result:
    return finish(execute(prepare(recipe, open_store(store), CPU), run))


def other_store(folder: Path, **choices: object) -> Path:
    return make_store(folder / "other.zarr", clips_per_class=6, **{"seed": 9, **choices})  # type: ignore[arg-type]


def test_a_finished_run_does_not_answer_for_another_store(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    """Attack H4: the same folder with another store gave the old number."""
    copy = Run(Path(shutil.copytree(undisturbed.path, tmp_path / "copy")))
    again = finish(train_chain(small(), open_store(store), CPU, tmp_path, copy.path))
    assert (again[1], again[2]) == (undisturbed.result(), False)
    with pytest.raises(RunError, match="belongs to another store"):
        finish(train_chain(small(), open_store(other_store(tmp_path)), CPU, tmp_path, copy.path))
    runs = [
        finish(train_chain(small(), open_store(where), CPU, tmp_path / "runs"))[0].path
        for where in (store, other_store(tmp_path / "b"))
    ]
    assert runs[0] != runs[1]


def test_one_run_has_one_writer(store: Path, tmp_path: Path) -> None:
    """Attack H7: two processes trained into one folder, and both measured what one of them had written."""
    out = tmp_path / "run"
    first = train_chain(small(), open_store(store), CPU, tmp_path, out)
    next(first)
    with pytest.raises(PrepError, match="another command is writing here"):
        next(train_chain(small(settings=["seed=1"]), open_store(store), CPU, tmp_path, out))
    first.close()
    assert finish(train_chain(small(), open_store(store), CPU, tmp_path, out))[1].seed == 0


def test_weights_of_another_run_are_not_measured_for_this_one(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    whole(store, run, ["seed=1"])
    (run.path / "result.json").unlink()
    shutil.copy(undisturbed.best, run.best)
    with pytest.raises(CheckpointError, match="does not belong to this run"):
        whole(store, run, ["seed=1"])


def test_evaluation_marks_what_the_number_is_not(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    assert measured(store, undisturbed).warnings == ()
    elsewhere = measured(other_store(tmp_path, preprocessing="ctrgcn"), undisturbed)
    assert "preprocessed by `agcn`, not `ctrgcn`" in elsewhere.warnings[0]
    assert elsewhere.warnings[1] == "the run was trained on another store"
    file = tmp_path / "seen.toml"
    file.write_text(
        'title = "x"\nsource = "x"\ndataset = "demo"\nprotocol = "episodic"\nseed = 0\n'
        "train = [5, 8, 9, 14, 18]\ntest = [0, 1, 2, 3, 4]\n"
    )
    seen = measured(store, undisturbed, replace(small(), data=replace(small().data, split=str(file))))
    assert seen.warnings == ("the run was trained on 3 of these test classes: [0, 1, 3]",)


def test_equal_runs_have_equal_files(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    again = Run(tmp_path / "again")
    whole(store, again)
    for name in ("checkpoint.safetensors", "best.safetensors", "log.csv", "recipe.toml", "result.json"):
        assert (again.path / name).read_bytes() == (undisturbed.path / name).read_bytes(), name


@pytest.mark.slow
def test_kill_nine_at_any_moment(store: Path, undisturbed: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.fszoo", "train", "protonet", "--data", "demo", "--device", "cpu"]
    command += ["--store", str(store), "--out", str(tmp_path / "run")]
    command += [word for setting in SMALL for word in ("--set", setting)]
    killed = 0
    for attempt in range(10):
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())})
        try:
            process.wait(timeout=1.0 + 0.25 * attempt)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        time.sleep(0.01)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())})
    assert killed >= 3
    assert same(Run(tmp_path / "run"), undisturbed)


def test_clips_that_do_not_fit_the_device_are_said(store: Path, tmp_path: Path) -> None:
    prepared = setup(store)
    assert prepared.train is not None
    pool = prepared.train.transform.pool
    prepared.train.transform.pool = replace(pool, on_host=True)
    first = next(execute(prepared, Run(tmp_path / "run")))
    assert "do not fit the device: they stay in the memory of the host" in first.line
    assert next(execute(setup(store), Run(tmp_path / "other"))).line == ""
