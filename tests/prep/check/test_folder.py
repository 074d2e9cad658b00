"""The report folder: its files, and that the same command continues after a kill, a full disk or a finished report."""

from __future__ import annotations

import errno
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.faulty_store import faulty_store

from prep import files
from prep.check.folder import write_report
from prep.check.measures import measure
from prep.check.report import Report, make_report
from prep.errors import PrepError
from prep.files import HOLDER, LOCK, locked
from prep.progress import result
from prep.store.read import Store, open_store

ROOT = Path(__file__).resolve().parents[3]
PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = {
    f"{name}.png"
    for name in ("lengths", "classes", "bones", "examples", "empty", "extra-bodies", "frozen", "bone-jump")
}
FILES = FIGURES | {"report.md", "report.json"}


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing is cleared away."""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Report]:
    store = open_store(faulty_store(tmp_path_factory.mktemp("store") / "s.zarr"))
    return store, make_report(store, result(measure(store)))


def names(folder: Path) -> set[str]:
    """The names of all files; figures lie in a folder whose name depends on the report."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shows_a_whole_report(folder: Path) -> bool:
    """Whether report.md is there with all figures that it shows."""
    page = folder / "report.md"
    return page.exists() and all((folder / link).is_file() for link in re.findall(r"\]\((.*?)\)", page.read_text()))


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time."""
    for name in ("draw_lengths", "draw_classes", "draw_bones", "draw_gallery", "draw_strip"):
        monkeypatch.setattr(f"prep.check.folder.{name}", lambda *given: given[-1].write_bytes(PNG))


def test_the_folder_holds_report_and_figures(checked: tuple[Store, Report], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (folder / "figures-0123456789ab").mkdir(parents=True)
    for name in ("report.md", "figures-0123456789ab/ghost.png"):  # of an earlier check
        (folder / name).write_text("old")
    steps = list(write_report(*checked, folder))
    assert names(folder) == FILES
    assert steps[-1].done == steps[-1].total == len(steps) == len(FILES)
    assert {step.note for step in steps} == FILES
    figures = next(folder.glob("figures-*"))
    assert all((figures / name).read_bytes().startswith(PNG) for name in FIGURES)
    record = json.loads((folder / "report.json").read_text())
    assert (record["flagged"], record["clips"], record["preprocessing"]) == (4, 10, "raw v1")
    text = (folder / "report.md").read_text()
    assert all(f"({figures.name}/{name})" in text for name in FIGURES)
    assert "| bone-jump | 1 | 10.00% |" in text


def test_a_folder_of_something_else_is_left_alone(checked: tuple[Store, Report], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_text("dear to me")
    with pytest.raises(PrepError, match=r"holds something else than a report, `photo.png`\. Give --out a new folder"):
        result(write_report(*checked, tmp_path / "mine"))
    with pytest.raises(PrepError, match=r"is a file\. Give --out a folder"):
        result(write_report(*checked, tmp_path / "mine" / "photo.png"))
    assert contents(tmp_path / "mine") == {"photo.png": b"dear to me"}


@pytest.mark.usefixtures("blank_figures")
def test_a_finished_report_is_there_already(checked: tuple[Store, Report], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    assert result(write_report(*checked, folder))
    before = contents(folder)
    assert not result(write_report(*checked, folder))
    assert contents(folder) == before
    for damaged in ("report.json", "report.md", next(folder.rglob("bones.png")).relative_to(folder)):
        (folder / damaged).unlink()
        assert result(write_report(*checked, folder))
        assert contents(folder) == before


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("step", range(len(FILES)))
@pytest.mark.parametrize("again", [False, True])
def test_a_killed_report_is_continued(
    checked: tuple[Store, Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    renamed: bool,
    again: bool,
) -> None:
    """Killed at every file, before or after its rename, in a new folder or over another report."""
    folder, calls = tmp_path / "report", iter(range(100))
    if again:
        result(write_report(checked[0], replace(checked[1], remarks=("earlier",)), folder))

    def kill(*_: object) -> None:
        if next(calls) == step:
            (folder / LOCK).touch()
            raise KilledError

    def rename(path: Path, target: Path, real=Path.replace) -> None:  # type: ignore[no-untyped-def]
        real(path, target)
        kill()

    with monkeypatch.context() as patch:
        patch.setattr(files, "remove", lambda _: None)
        patch.setattr(*((Path, "replace", rename) if renamed else (files, "flush", kill)))
        with pytest.raises(KilledError):
            result(write_report(*checked, folder))
    assert shows_a_whole_report(folder) == (again or (renamed and step == len(FILES) - 1))
    result(write_report(*checked, folder))
    assert names(folder) == FILES
    assert len(list(folder.glob("figures-*"))) == 1


@pytest.mark.slow
def test_a_process_that_was_killed_is_continued(checked: tuple[Store, Report], tmp_path: Path) -> None:
    store, _ = checked
    script = (
        "import os, signal, sys; from prep.check.folder import *; from prep.check.measures import measure;"
        "from prep.check.report import make_report; from prep.progress import result;"
        "from prep.store.read import open_store; from pathlib import Path; store = open_store(sys.argv[1]);"
        "work = write_report(store, make_report(store, result(measure(store))), Path(sys.argv[2]));"
        "[next(work) for _ in range(3)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder = tmp_path / "report"
    command = [sys.executable, "-c", script, store.path, str(folder)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert names(folder) == {LOCK, HOLDER, "lengths.png", "classes.png", "bones.png"}
    result(write_report(*checked, folder))
    assert names(folder) == FILES


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("step", range(len(FILES)))
def test_a_full_disk_is_reported_and_continued(
    checked: tuple[Store, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder, calls = tmp_path / "report", iter(range(100))

    def full(_: Path) -> None:
        if next(calls) == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "flush", full)
        with pytest.raises(PrepError, match=r"report: the disk is full.*run the same command; it continues"):
            result(write_report(*checked, folder))
    result(write_report(*checked, folder))
    assert names(folder) == FILES


def test_one_writer_per_folder(checked: tuple[Store, Report], tmp_path: Path) -> None:
    with locked(tmp_path / "report"), pytest.raises(PrepError, match="another command is writing here"):
        result(write_report(*checked, tmp_path / "report"))
    assert not (tmp_path / "report").exists()
