"""A confusion matrix as a file: what it must be, and the clips of its cells as a plain loop finds them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from prep.confusion_matrix import KEPT, CellClips, ConfusionMatrix, cells_of, parse_matrix, read_matrix_file
from prep.errors import PrepError

CELLS = (CellClips(0, 0, 1, {"a": 2}), CellClips(0, 1, 3, {"b": 2, "a": 1}))
MATRIX = ConfusionMatrix((3, 8), ("hush", "yawn"), ((2, 4), (0, 1)), ((6, 6), (1, 1)), "r", "s", "w", CELLS)


def test_cells_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    answers = [(int(i), int(j), f"clip{n}") for i, j, n in zip(*rng.integers(0, (3, 3, 60), (900, 3)).T, strict=True)]
    cells = cells_of(answers)
    assert len(cells) == 9
    for cell in cells:
        names = Counter(name for true, given, name in answers if (true, given) == (cell.true, cell.answered))
        assert cell.distinct == len(names)
        assert len(cell.clips) == min(KEPT, len(names)) == len(names) - cell.left_out
        assert all(names[name] == times for name, times in cell.clips.items())
        assert list(cell.clips.values()) == sorted(names.values(), reverse=True)[:KEPT]


def test_a_matrix_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "confusion.json"
    path.write_text(json.dumps(asdict(MATRIX)))
    assert read_matrix_file(path) == MATRIX
    assert list(read_matrix_file(path).cells[1].clips) == ["b", "a"]


def cell(**changes: object) -> dict[str, object]:
    """The matrix as JSON, with a change in its second cell."""
    content = asdict(MATRIX)
    content["cells"] = [content["cells"][0], content["cells"][1] | changes]
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "is not readable as JSON"),
        (b"[" * 5000, "is not readable as JSON"),
        (b"[]", "confusion.json: Input should be an object"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        ({**asdict(MATRIX), "cell": 1}, "`cell` is not a key of ConfusionMatrix. Did you mean `cells`?"),
        (cell(answered=2), "cell 0, 2 is outside 2 classes"),
        (cell(true=-1), "cell -1, 1 is outside 2 classes"),
        (cell(distinct=1), "cell 0, 1 has 2 of 1 clips"),
        (cell(clips={}), "cell 0, 1 has 0 of 3 clips"),
        (cell(clips={"a": 0, "b": 3}), "cell 0, 1 has 2 of 3 clips"),
        (cell(distinct=4), "cell 0, 1 has 3 answers in its clips and 4 in its count"),
        (cell(distinct=2), "cell 0, 1 has 3 answers in its clips and 4 in its count"),
        (cell(answered=0, distinct=1, clips={"a": 2}), "a cell is given twice"),
        (cell(clips={"a": "1"}), "cells.1.clips"),
        (cell(clips=["a"]), "cells.1.clips"),
        ({**asdict(MATRIX), "cells": []}, "names no clips of its cells. Delete result.json beside it"),
    ],
)
def test_another_file_is_refused_by_its_name_with_a_remedy(tmp_path: Path, content: object, words: str) -> None:
    path = tmp_path / "confusion.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(PrepError) as error:
        read_matrix_file(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert "Name the confusion.json" in str(error.value) or "only the test is repeated" in str(error.value)


def test_a_folder_and_a_very_large_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PrepError, match="is not a regular file. Name the confusion.json"):
        read_matrix_file(tmp_path)
    monkeypatch.setattr("prep.confusion_matrix.LARGEST", 10)
    with pytest.raises(PrepError, match="x: has 12 bytes; a confusion matrix has at most 10"):
        parse_matrix(b"[" * 12, "x")
