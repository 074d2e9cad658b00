"""Sweeps: every cell once, shared sources first, failures listed, stopped runs continued."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from helpers.stores import make_store
from helpers.sweeps import SETTINGS, STAGE

from episodes.draw import TooFewClasses, TooFewClips
from prep.progress import Work, result
from prep.store.read import Store, open_store
from zoo.experiment.feed import SetupError
from zoo.runs.chain import find_run
from zoo.runs.status import status
from zoo.sweep.grid import Cell, cells
from zoo.sweep.jobs import Job, check_tasks, finished, jobs, sweep, sweep_in_workers

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2))


def grid(*overs: str, name: str = "protonet", settings: Sequence[str] = ()) -> tuple[Cell, ...]:
    return cells(name, "demo", [*SETTINGS, *settings], overs)


def todo(store: Store, *overs: str, name: str = "protonet", settings: Sequence[str] = ()) -> dict[str, Job]:
    found = grid(*overs, name=name, settings=settings)
    return jobs(found, [store] * len(found))


def shared(store: Store) -> dict[str, Job]:
    """Two seeds and two shots that start from one source for each seed."""
    return todo(store, "seed=0,1", "task.shot=1,2", name="finetuned_cosine", settings=[STAGE])


def test_a_sweep_trains_every_cell_and_then_costs_nothing(store: Store, tmp_path: Path) -> None:
    plan = todo(store, "seed=0,1")
    first = result(sweep(plan, CPU, tmp_path))
    assert all(outcome.fresh and outcome.result is not None for outcome in first.values())
    again = sweep(plan, CPU, tmp_path)
    step = next(again)
    assert (step.done, step.total, step.stage) == (2, 2, "runs")
    second = result(again)
    assert not any(outcome.fresh for outcome in second.values())
    assert [outcome.result for outcome in first.values()] == [outcome.result for outcome in second.values()]


def test_sources_come_first_and_once(store: Store) -> None:
    plan = shared(store)
    assert [job.recipe.name for job in plan.values()] == ["supervised"] * 2 + ["finetuned_cosine"] * 4
    keys = list(plan)
    assert [job.needs for job in plan.values()] == ["", "", keys[0], keys[0], keys[1], keys[1]]


def test_equal_cells_are_one_job(store: Store) -> None:
    found = grid("seed=0")
    assert len(jobs([*found, *found], [store, store])) == 1


@pytest.mark.slow
def test_workers_train_the_same(store: Store, tmp_path: Path) -> None:
    """Threads in place of processes: what is tested is the order."""
    plan = shared(store)
    alone = result(sweep(plan, CPU, tmp_path / "alone"))
    with ThreadPoolExecutor(2) as executor:
        work = sweep_in_workers(plan, CPU, tmp_path / "together", executor, 1)
        together = result(work)
    assert [outcome.result for outcome in together.values()] == [alone[key].result for key in together]
    assert sorted(path.name for path in (tmp_path / "together").iterdir()) == sorted(
        path.name for path in (tmp_path / "alone").iterdir()
    )


def test_a_run_that_fails_does_not_end_the_sweep(store: Store, tmp_path: Path) -> None:
    plan = todo(store, "optimiser.lr=1e30,0.01", settings=["optimiser.name=sgd"])
    bad, good = result(sweep(plan, CPU, tmp_path)).values()
    assert bad.error.startswith("Diverged: ")
    assert good.result is not None
    assert bad.run is not None
    assert status(bad.run).state == "failed"
    assert status(bad.run).error == bad.error


def test_a_run_that_is_repaired_is_no_longer_marked(store: Store, tmp_path: Path) -> None:
    plan = todo(store, "seed=0")
    (job,) = plan.values()
    run = find_run(job.recipe, store, tmp_path)
    assert run is not None
    run.path.mkdir()
    (run.path / "error.txt").write_text("Diverged: before\n")
    assert str(status(run.path)) == "failed not begun: Diverged: before"
    result(sweep(plan, CPU, tmp_path))
    assert status(run.path).state == "finished"
    assert not (run.path / "error.txt").exists()


def test_what_starts_from_a_failed_run_is_listed_and_not_tried(store: Store, tmp_path: Path) -> None:
    settings = ['init.settings=["budget.epochs=1", "optimiser.name=sgd", "optimiser.lr=1e30", "budget.batch=12"]']
    plan = todo(store, "task.shot=1,2", name="finetuned_cosine", settings=settings)
    outcomes = list(result(sweep(plan, CPU, tmp_path)).values())
    assert outcomes[0].error.startswith("Diverged: ")
    assert [outcome.error[:30] for outcome in outcomes[1:]] == ["what it starts from failed: Di"] * 2
    assert [path.name[:10] for path in tmp_path.iterdir()] == ["supervised"]


def test_an_interrupted_run_saves_and_is_continued_to_the_same_result(store: Store, tmp_path: Path) -> None:
    plan = todo(store, "seed=0,1", settings=["budget.checkpoint_every=100"])
    straight = result(sweep(plan, CPU, tmp_path / "straight"))
    stopped: Work[object] = sweep(plan, CPU, tmp_path / "stopped")
    while not next(stopped).note.startswith("training protonet 3"):
        pass
    with pytest.raises(KeyboardInterrupt):
        stopped.throw(KeyboardInterrupt())
    (run,) = (tmp_path / "stopped").iterdir()
    assert status(run).how_far == "at 3 of 6"
    again = result(sweep(plan, CPU, tmp_path / "stopped"))
    assert [outcome.result for outcome in again.values()] == [outcome.result for outcome in straight.values()]


def test_nothing_is_finished_before_its_source_is(store: Store, tmp_path: Path) -> None:
    plan = shared(store)
    assert finished(plan, tmp_path) == {}
    assert find_run(list(plan.values())[-1].recipe, store, tmp_path) is None


@pytest.mark.parametrize(
    ("overs", "error", "words"),
    [
        (["task.way=5,7"], TooFewClasses, "--over task.way=7: task.way is 7; demo has 6 test classes."),
        (
            ["task.shot=1,5"],
            TooFewClips,
            "--over task.shot=5: the base class 0 of demo has 6 clips; an episode takes 7",
        ),
        (["data.clips_per_class=2"], TooFewClips, "has 2 clips; an episode takes 3 of each class"),
        (["data.preprocessing=agcn,raw"], SetupError, "the recipe asks for `raw`"),
    ],
)
def test_tasks_that_the_store_cannot_serve(
    store: Store, overs: Sequence[str], error: type[Exception], words: str
) -> None:
    found = grid(*overs)
    with pytest.raises(error) as raised:
        check_tasks(found, [store] * len(found))
    assert words in str(raised.value)


def test_an_untrained_recipe_needs_clips_of_the_test_classes_alone(tmp_path: Path) -> None:
    """The base class 0 has one clip."""
    scarce = open_store(make_store(tmp_path / "toy.zarr", clips_per_class=6, skip={0: 5}))
    settings = ["data.frames=8", "task.queries_per_class=2"]
    check_tasks(cells("nearest", "demo", settings, ["seed=0,1"]), [scarce, scarce])
    with pytest.raises(TooFewClips, match="the base class 0 of demo has 1 clips"):
        check_tasks(cells("protonet", "demo", settings, ["seed=0"]), [scarce])
