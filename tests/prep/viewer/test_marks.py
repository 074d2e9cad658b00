"""The file of marked clips is a split that leaves them out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.facts import names
from manifests.split_file import split
from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.viewer.marks import BEGIN, read_marks, write_marks

MARKED = ("b", 'a"\n')


@pytest.mark.parametrize("varied", names("splits"))
def test_the_file_is_the_split_without_the_marked_clips(tmp_path: Path, varied: str) -> None:
    path = tmp_path / "marked.toml"
    write_marks(path, MARKED, varied)
    made, shipped = split(str(path)), split(varied)
    assert made.exclude == tuple(sorted(MARKED))
    assert made.base == (shipped.base or shipped.name)
    assert replace(made, name=varied, title=shipped.title, base=shipped.base, exclude=()) == shipped
    assert read_marks(path) == set(MARKED)


def test_a_custom_split_is_written_out_in_full(tmp_path: Path) -> None:
    mine, path = tmp_path / "mine.toml", tmp_path / "marked.toml"
    mine.write_text(
        'title = "t"\nsource = "s"\ndataset = "mine"\nprotocol = "episodic"\nseed = 4\ntrain = [0]\ntest = [1]'
    )
    write_marks(path, MARKED, str(mine))
    assert replace(split(str(path)), name="mine", exclude=()) == split(str(mine))


def test_without_a_split_the_file_has_the_list_alone(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    assert read_marks(path) == frozenset()
    write_marks(path, ["a"], "")
    assert "Copy this list into a split" in path.read_text()
    assert read_marks(path) == {"a"}


def test_what_cannot_be_marked_or_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    with pytest.raises(PrepError, match="S001C003P008R001A001 is an exemplar of ntu60_one_shot, which needs it"):
        write_marks(path, ["S001C003P008R001A001"], "ntu60_one_shot")
    assert not path.exists()
    path.write_text(f"{BEGIN}\nexclude = [1]")
    with pytest.raises(PrepError, match="exclude is not a list of clip names. Correct it, or name another file"):
        read_marks(path)
    path.write_text(f"{BEGIN}\nexclude = [")
    with pytest.raises(InvalidValue, match="not readable as TOML"):
        read_marks(path)


def test_a_file_that_is_something_else_is_kept(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "a split"')
    for path in (mine, tmp_path / "folder.toml"):
        if path != mine:
            path.mkdir()
        with pytest.raises(PrepError, match=f"--marks {path}: is not a file of marks, and is kept. Name a new file."):
            read_marks(path)
    with pytest.raises(PrepError, match="marks.txt: a split is a .toml file. Name one that ends with .toml."):
        read_marks(tmp_path / "marks.txt")
