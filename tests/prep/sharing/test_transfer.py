"""Threads that move files: the first error ends all, and what is told adds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from prep.sharing.transfer import Moved, Tell, digest_at, fetch, side_by_side
from prep.storage.folder import Folder
from prep.store.manifest import FileEntry, file_digest


@pytest.mark.parametrize("jobs", [1, 3, 20])
def test_what_is_told_adds_up(jobs: int) -> None:
    def work(item: int, tell: Tell) -> None:
        tell(item)
        tell(-1)

    records = list(side_by_side(work, range(10), jobs, 45))
    assert records[-1] == Moved(45 - 10, 45)
    assert list(side_by_side(work, [], jobs, 0)) == []


def test_the_first_error_stops_the_others() -> None:
    begun = []

    def work(item: int, tell: Tell) -> None:
        begun.append(item)
        if item == 2:
            raise OSError("two")
        tell(1)

    with pytest.raises(OSError, match="two"):
        list(side_by_side(work, range(1000), 1, 1000))
    assert begun == [0, 1, 2]


def test_a_finished_file_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").write_bytes(b"content")
    held = FileEntry(7, file_digest(tmp_path / "here" / "a"))
    told: list[int] = []
    fetch(Folder(tmp_path / "nowhere"), "a", held, tmp_path / "here", told.append)
    assert told == [7]


def test_the_digest_of_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert digest_at(Folder(tmp_path), "a") == file_digest(tmp_path / "a")
    assert digest_at(Folder(tmp_path), "b") == ""
