"""fszoo as a user types it."""

from __future__ import annotations

import errno
import json
import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.shell import Shell

from zoo.engine import checkpoint

QUICK = [
    word
    for setting in (
        "data.frames=8",
        "budget.episodes=6",
        "budget.epoch=3",
        "budget.validation=2",
        "budget.test=4",
        "task.queries_per_class=2",
    )
    for word in ("--set", setting)
]


@pytest.fixture(scope="module")
def trained(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(demo_home))
        done = Shell()(["fszoo", "train", "protonet", "--data", "demo", "--out", str(run), *QUICK])
    assert done.exit_code == 0, done.output
    return run


def test_train_eval_and_train_again(shell, in_demo: Path, trained: Path) -> None:
    again = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(trained), *QUICK])
    assert again.exit_code == 0
    assert "Already finished" in again.output
    first = json.loads((trained / "result.json").read_text())
    second = json.loads(shell(f"fszoo eval {trained} --json").stdout)
    assert {key: second[key] for key in first} == first
    untrained = json.loads(shell(f"fszoo eval {trained} --untrained --json").stdout)
    assert untrained["trained"] == 0 < first["trained"] <= 6
    more = json.loads(shell(f"fszoo eval {trained} --json --set budget.test=8").stdout)
    assert more["episodes"] == 8


def test_the_saved_recipe_runs(shell, in_demo: Path, trained: Path, tmp_path: Path) -> None:
    done = shell(["fszoo", "train", str(trained / "recipe.toml"), "--out", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["accuracy"] == json.loads((trained / "result.json").read_text())["accuracy"]


def test_compare_shows_ours_beside_the_papers(shell, trained: Path) -> None:
    done = shell(f"fszoo compare {trained}")
    assert done.exit_code == 0
    assert "protonet" in done.output
    rows = json.loads(shell(f"fszoo compare {trained} --json").stdout)
    assert rows[0]["runs"] == 1


def test_list_and_show(shell, in_demo: Path) -> None:
    listed = json.loads(shell("fszoo list --json").stdout)
    assert {"dastm", "dtw", "protonet"} <= set(listed["recipes"])
    assert {"agcn", "stgcn"} <= set(listed["backbones"])
    shown = tomllib.loads(shell("fszoo show dastm --data demo --set task.shot=5").stdout)
    assert (shown["data"]["split"], shown["task"]["shot"], shown["method"]["name"]) == ("demo", 5, "dastm")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fszoo train dasmt", "Did you mean `dastm`?"),
        ("fszoo train dastm --data dem", "Did you mean `demo`?"),
        ("fszoo train dastm --set task.shott=5", "Did you mean `shot`?"),
        ("fszoo train dastm", "Build it: `fsprep build ntu120 --subset ntu_t`"),
        ("fszoo train protonet --data demo --device cuda", "no CUDA"),
        ("fszoo train protonet --data demo --set task.queries_per_class=10", "clips"),
        ("fszoo train protonet --data demo --store nowhere.zarr", "no store there"),
        ("fszoo eval nowhere", "no recipe.toml, so it is not a run"),
        ("fszoo compare nowhere", "no result.json"),
        ("fszoo show dastn", "Did you mean `dastm`?"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(shell, in_demo: Path, line: str, words: str) -> None:
    done = shell(line)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")


def test_a_damaged_result_is_named(shell, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "result.json").write_text("{")
    done = shell(f"fszoo compare {run}")
    assert done.exit_code == 2
    assert "damaged" in done.stderr


def test_the_python_of_the_readme_runs(in_demo: Path, tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    code = readme.split("## In Python")[1].split("```python\n")[1].split("```")[0]
    code = code.replace("demo-home/runs", str(tmp_path)).replace("demo-home", str(in_demo))
    quick = "budget.episodes=2", "budget.validation=2", "budget.test=2", "data.frames=8", "task.queries_per_class=2"
    code = code.replace('"budget.episodes=100"', ", ".join(f'"{setting}"' for setting in quick))
    exec(compile(code, "README.md", "exec"), {})
    assert json.loads((tmp_path / "by-hand" / "result.json").read_text())["shot"] == 5


def test_a_full_disk_is_said_plainly(shell, in_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "os", SimpleNamespace(fsync=full))
    done = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(tmp_path / "run"), *QUICK])
    assert done.exit_code == 2
    assert "the disk is full" in done.stderr
    assert "run the same command" in done.stderr
