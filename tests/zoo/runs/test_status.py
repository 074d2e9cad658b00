"""How far runs are, from their folders; and kept reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.runs.status import Status, mark_failed, runs_in, status
from zoo.sweep.kept import keep, kept, report_key

LOG = "step,done,lr,loss\n3,30,0.1,2.5\n6,60,0.1,2.0\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text("[budget]\nepisodes = 100\n")
    return folder


def test_states(run: Path) -> None:
    assert str(status(run)) == "unfinished at 0 of 100"
    (run / "log.csv").write_text(LOG + "9,9")
    assert status(run) == Status("unfinished", 60, 100)
    mark_failed(run, "Diverged: why\nmore")
    assert str(status(run)) == "failed at 60 of 100: Diverged: why"
    (run / "result.json").write_text("{}")
    assert str(status(run)) == "finished"


def test_a_run_whose_loss_was_not_finite_has_failed(run: Path) -> None:
    (run / "diverged.safetensors").write_bytes(b"")
    assert str(status(run)) == f"failed at 0 of 100: a loss was not finite; `fszoo replay {run}` computes it again"


@pytest.mark.parametrize("log", ["", "step,done\n", "\n\n", "step\n1\n", "step,done\nx,y\n", "\x00\xff\n1,2\n"])
def test_a_damaged_log_says_nothing(run: Path, log: str) -> None:
    (run / "log.csv").write_text(log, encoding="latin-1")
    assert status(run).done == 0


def test_only_the_end_of_a_long_log_is_read(run: Path) -> None:
    (run / "log.csv").write_text("step,done\n" + "".join(f"{n},{n}\n" for n in range(30_000)))
    assert status(run).done == 29_999


@pytest.mark.parametrize("recipe", ["budget = 3", "[budget]\nepisodes = 'x'", "not toml", ""])
def test_a_damaged_recipe_has_no_total(run: Path, recipe: str) -> None:
    (run / "recipe.toml").write_text(recipe)
    assert str(status(run)) == "unfinished not begun"


def test_runs_are_folders_with_a_recipe(run: Path) -> None:
    (run.parent / "other").mkdir()
    assert runs_in(run.parent) == [run]
    assert runs_in(run.parent / "nowhere") == []


def test_a_report_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text("1")
    keep(tmp_path, "key", [file], {"text": "table"})
    assert kept(tmp_path, "key") == {"text": "table"}
    assert kept(tmp_path, "other") is None
    file.write_text("2")
    assert kept(tmp_path, "key") is None
    file.unlink()
    assert kept(tmp_path, "key") is None


def test_a_damaged_report_is_none(tmp_path: Path) -> None:
    keep(tmp_path, "key", [], {"text": "table"})
    (file,) = (tmp_path / ".tables").iterdir()
    for content in ("", "[]", "{}", '{"files": 3, "report": {}}'):
        file.write_text(content)
        assert kept(tmp_path, "key") is None


def test_another_store_in_the_workspace_is_another_key(tmp_path: Path) -> None:
    before = report_key({"recipe": "dtw"}, tmp_path / "stores")
    (tmp_path / "stores" / "a.zarr").mkdir(parents=True)
    assert report_key({"recipe": "dtw"}, tmp_path / "stores") != before
