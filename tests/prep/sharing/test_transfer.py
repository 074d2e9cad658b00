"""Threads that transfer files: the first error ends all, and the reported bytes add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from prep.progress import Step
from prep.sharing.transfer import Report, fetch, in_parallel, remote_digest
from prep.storage.folder import Folder
from prep.store.manifest import FileEntry, file_digest


@pytest.mark.parametrize("jobs", [1, 3, 20])
def test_reported_bytes_add_up(jobs: int) -> None:
    def work(item: int, report: Report) -> None:
        report(item)
        report(-1)

    steps = list(in_parallel(work, range(10), jobs, 45))
    assert steps[-1] == Step(45 - 10, 45)
    assert list(in_parallel(work, [], jobs, 0)) == []


def test_the_first_error_stops_the_others() -> None:
    started = []

    def work(item: int, report: Report) -> None:
        started.append(item)
        if item == 2:
            raise OSError("two")
        report(1)

    with pytest.raises(OSError, match="two"):
        list(in_parallel(work, range(1000), 1, 1000))
    assert started == [0, 1, 2]


def test_a_finished_file_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").write_bytes(b"content")
    entry = FileEntry(7, file_digest(tmp_path / "here" / "a"))
    reports: list[int] = []
    fetch(Folder(tmp_path / "nowhere"), "a", entry, tmp_path / "here", reports.append)
    assert reports == [7]


def test_an_absent_file_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert remote_digest(Folder(tmp_path), "a") == file_digest(tmp_path / "a")
    assert remote_digest(Folder(tmp_path), "b") == ""
