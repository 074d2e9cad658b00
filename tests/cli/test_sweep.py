"""fszoo sweep as a user types it: killed and continued, several at once, as a job array, and refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.sweeps import SETTINGS, STAGE, words

from zoo.named_arrays import read

ROOT = Path(__file__).parents[2]
AXES = ["--over", "seed=0..2", "--over", "task.shot=1,2"]
SWEEP = ["fszoo", "sweep", "protonet", "--data", "demo", *words()]


@pytest.fixture
def own_home(demo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the demo's store and no runs."""
    home = tmp_path / "own"
    shutil.copytree(demo_home / "stores", home / "stores")
    monkeypatch.setenv("FSPREP_HOME", str(home))
    return home


def table(shell, *more: str) -> dict[str, object]:
    done = shell([*SWEEP, *more, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


@contextmanager
def process(*more: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep as a process; it does not outlive the block."""
    line = [sys.executable, "-m", "cli.fszoo", *SWEEP[1:], *more]
    # A process group of its own, as a shell makes for each command.
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(line, cwd=ROOT, start_new_session=True, **streams)  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def wait_for(running: subprocess.Popen[str], done: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_sweep_is_one_table_of_averages(shell, own_home: Path) -> None:
    done = shell([*SWEEP, *AXES])
    assert done.exit_code == 0, done.output
    head, first, second, *_ = done.stdout.splitlines()
    assert head.split()[:7] == ["split", "recipe", "backbone", "task", "runs", "ours", "spread"]
    assert [line.split()[3:5] for line in (first, second)] == [["5w1s", "3"], ["5w2s", "3"]]
    assert "6 runs: 6 finished" in done.stdout
    kept = table(shell, *AXES)
    assert [row["runs"] for row in kept["rows"]] == [3, 3]  # type: ignore[attr-defined]
    (figure,) = [Path(line.removeprefix("figure: ")) for line in done.stdout.splitlines() if line.startswith("figure")]
    assert kept["figures"] == {"task.shot": str(figure)}
    assert figure.parent == own_home / "runs" / ".tables"
    assert figure.name.startswith("protonet-task.shot-")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert read(figure.with_suffix(".npz"))["runs"].tolist() == [[3, 3]]
    figure.unlink()
    assert table(shell, *AXES) == kept
    assert figure.exists()
    assert len(list((own_home / "runs").glob("*/result.json"))) == 6


def test_a_finished_sweep_is_shown_without_torch(shell, own_home: Path) -> None:
    first = shell([*SWEEP, "--over", "seed=0,1"])
    script = (
        "import sys; from cli.fszoo import main; main(standalone_mode=False); "
        "print('loaded', *[m for m in ('torch', 'zarr', 'numpy') if m in sys.modules])"
    )
    line = [sys.executable, "-c", script, *SWEEP[1:], "--over", "seed=0,1"]
    again = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=True)
    assert again.stdout == first.stdout + "loaded\n"


@pytest.mark.slow
def test_a_kept_table_is_not_shown_once_a_run_has_changed(shell, own_home: Path) -> None:
    before = table(shell, "--over", "seed=0,1")
    file = Path(before["runs"][0]) / "result.json"  # type: ignore[index]
    result = json.loads(file.read_text())
    file.write_text(json.dumps(result | {"accuracy": 99.0 if result["accuracy"] != 99.0 else 98.0}))
    assert table(shell, "--over", "seed=0,1")["rows"] != before["rows"]
    file.unlink()
    assert table(shell, "--over", "seed=0,1")["rows"] == before["rows"]


@pytest.mark.slow
def test_a_sweep_killed_three_times_ends_in_the_same_table(shell, own_home: Path, monkeypatch) -> None:
    """Killed in three places: before the first result, after the first and after the fourth."""
    runs = own_home / "runs"
    for results in (0, 1, 4):
        with process(*AXES) as running:
            wait_for(
                running,
                lambda: len(list(runs.glob("*/result.json"))) >= results and any(runs.glob("*/checkpoint*")),  # noqa: B023
            )
        assert len(list(runs.glob("*/result.json"))) < 6
    resumed = table(shell, *AXES)
    shutil.rmtree(runs)
    undisturbed = table(shell, *AXES)
    assert resumed["rows"] == undisturbed["rows"]
    assert resumed["runs"] == undisturbed["runs"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_saves_and_the_table_so_far_shows_what_is_open(shell, own_home: Path, jobs: str) -> None:
    slow = ["--set", "budget.episodes=100000", "--set", "budget.episodes_per_epoch=10", "--over", "seed=0,1"]
    with process(*slow, "--jobs", jobs) as running:
        saved = own_home / "runs"
        wait_for(running, lambda: len(list(saved.glob("*/checkpoint.safetensors"))) == int(jobs))
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=100)
    assert running.returncode == 130, errors[-2_000:]
    assert "Traceback" not in errors
    assert "leaked" not in errors
    assert "Run the same command; it continues." in errors
    shown = shell([*SWEEP, *slow, "--table"])
    assert shown.exit_code == 0
    assert "2 runs: 0 finished, 2 unfinished" in shown.stdout
    assert ("unfinished: seed=1: not begun" in shown.stdout) == (jobs == "1")
    assert " of 100,000" in shown.stdout
    listed = shell("fszoo list").stdout
    assert "unfinished at " in listed


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_while_workers_start_is_one_line(own_home: Path) -> None:
    """It reaches the workers too, which had no handler yet."""
    with process("--over", "seed=0,1", "--jobs", "2") as running:
        children = Path(f"/proc/{running.pid}/task")
        # The resource tracker of multiprocessing comes first.
        wait_for(running, lambda: sum(len(file.read_text().split()) for file in children.glob("*/children")) >= 2)
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=100)
    assert running.returncode == 130
    assert errors.splitlines()[-1] == "Stopped. Run the same command; it continues."
    assert "Traceback" not in errors


@pytest.mark.slow
def test_two_jobs_train_shared_sources_once_and_find_the_same(shell, own_home: Path) -> None:
    line = ["fszoo", "sweep", "finetuned_cosine", "--data", "demo", *words([*SETTINGS, STAGE]), "--json"]
    axes = ["--over", "seed=0,1", "--over", "task.shot=1,2"]
    done = shell([*line, *axes, "--jobs", "2"])
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (own_home / "runs").iterdir())
    assert len([name for name in names if name.startswith("supervised-")]) == 2
    assert len([name for name in names if name.startswith("finetuned_cosine-")]) == 4
    together = json.loads(done.stdout)["rows"]
    shutil.rmtree(own_home / "runs")
    assert json.loads(shell([*line, *axes]).stdout)["rows"] == together


def test_a_run_that_fails_is_listed_and_the_others_go_on(shell, own_home: Path) -> None:
    axes = ["--set", "optimiser.name=sgd", "--over", "optimiser.lr=1e30,0.01"]
    done = shell([*SWEEP, *axes])
    assert done.exit_code == 3
    assert "2 runs: 1 finished, 1 failed" in done.stdout
    assert "failed: optimiser.lr=1e+30: Diverged: " in done.stdout
    assert "failed" in shell("fszoo list").stdout
    record = json.loads(shell([*SWEEP, *axes, "--json"]).stdout)
    assert record["failed"][0]["settings"] == "optimiser.lr=1e+30"


def script_of(shell, *more: str, name: str = "protonet", settings: Sequence[str] = SETTINGS) -> str:
    done = shell(["fszoo", "sweep", name, "--data", "demo", *words(settings), *more, "--array"])
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def bash(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    where = os.environ | environment
    return subprocess.run(["bash", *arguments], capture_output=True, text=True, env=where, check=False)


def test_a_job_array_is_a_script_with_one_quoted_command_per_run(shell, own_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.sh"
    file.write_text(script_of(shell, *AXES))
    assert bash("-n", str(file)).returncode == 0
    assert "#SBATCH --array=0-5" in file.read_text()
    fake = tmp_path / "bin" / "fszoo"
    fake.parent.mkdir()
    fake.write_text('#!/bin/bash\nprintf "%s\\n" "$FSPREP_HOME" "$@"\n')
    fake.chmod(0o755)
    task = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "5"}
    home, *arguments = bash(str(file), **task).stdout.splitlines()
    assert home == str(own_home.absolute())
    done = shell(["fszoo", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert [json.loads(done.stdout)[key] for key in ("seed", "shot")] == [2, 2]
    assert bash(str(file), **(task | {"SLURM_ARRAY_TASK_ID": "6"})).returncode == 2
    assert json.loads(done.stdout)["run"] in table(shell, *AXES, "--table")["runs"]  # type: ignore[operator]


def test_a_job_array_trains_shared_sources_first(shell, own_home: Path, tmp_path: Path) -> None:
    axes = ["--over", "seed=0,1", "--over", "task.shot=1,2"]
    script = script_of(shell, *axes, name="finetuned_cosine", settings=[*SETTINGS, STAGE])
    assert "sbatch --dependency=afterok:$FIRST --array=2-5 THIS_FILE" in script
    assert script.count("fszoo train supervised") == 2
    assert script.count("fszoo train finetuned_cosine") == 4
    file = tmp_path / "sweep.sh"
    file.write_text(script)
    assert bash("-n", str(file)).returncode == 0


def test_words_in_a_job_array_cannot_run_anything(shell, own_home: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, 'init.settings=["$(touch bad)", "\'; touch bad; \'"]']
    file = tmp_path / "sweep.sh"
    file.write_text(script_of(shell, "--over", "seed=0,1", settings=settings))
    assert bash("-n", str(file)).returncode == 0
    subprocess.run(
        ["bash", str(file)], cwd=tmp_path, env={"PATH": "/bin:/usr/bin", "SLURM_ARRAY_TASK_ID": "0"}, check=False
    )
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("fszoo sweep protonet --data demo", "Missing option '--over'"),
        ("fszoo sweep protont --over seed=0,1", "Did you mean `protonet`?"),
        ("fszoo sweep protonet --data demo --over task.shott=1,5", "Did you mean `task.shot`?"),
        ("fszoo sweep protonet --data demo --over seed=0,1 --over seed=2", "--over seed is given twice"),
        ("fszoo sweep protonet --data demo --over seed=3..1", "an empty range"),
        ("fszoo sweep protonet --data demo --over seed=a", "valid integer"),
        ("fszoo sweep protonet --data demo --over task.way=5,7", "demo has 6 test classes. Lower task.way."),
        ("fszoo sweep protonet --data demo --over task.shot=1,9", "an episode takes 14 of each class"),
        ("fszoo sweep protonet --data ntu_t --over seed=0,1", "Build it: `fsprep build ntu120 --subset ntu_t`"),
    ],
)
def test_refusals(shell, in_demo: Path, line: str, text: str) -> None:
    before = set((in_demo / "runs").glob("*"))
    done = shell(line)
    assert done.exit_code == 2, done.output
    assert text in done.stderr
    assert set((in_demo / "runs").glob("*")) == before
