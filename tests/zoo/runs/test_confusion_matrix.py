"""confusion.json: counted while a run is measured, the same as counted again; damaged and foreign files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.finished_run import CPU, Finished

from prep.progress import result
from zoo.report import tally
from zoo.report.answers import answers_of
from zoo.runs.chain import trained_method
from zoo.runs.confusion_matrix import FILE, MatrixError, read_matrix


def test_the_matrix_of_a_run_is_that_of_its_answers(demo_run: Finished) -> None:
    run, store = demo_run
    found = run.result()
    assert found is not None
    matrix = read_matrix(run.path, found)
    assert matrix is not None
    answers = result(answers_of(trained_method(run, run.recipe(), store, CPU)[0]))
    times, queries = tally.confusion(answers)
    np.testing.assert_array_equal(matrix.counts, times)
    np.testing.assert_array_equal(matrix.queries, queries)
    assert matrix.labels == tuple(tally.labels_of(answers).tolist())
    assert matrix.names == tuple(store.info.classes[label] for label in matrix.labels)
    for cell in matrix.cells:
        mine = (answers.true == matrix.labels[cell.true]) & (answers.given == matrix.labels[cell.answered])
        assert dict(cell.clips) == Counter(store.names[clip] for clip in answers.query[mine])
        assert (cell.left_out, sum(cell.clips.values())) == (0, matrix.counts[cell.true][cell.answered])
    assert len(matrix.cells) == np.count_nonzero(matrix.counts)
    assert round(100 * np.trace(matrix.counts) / found.queries, 4) == found.accuracy


def test_the_matrix_of_another_result_is_not_taken(demo_run: Finished, tmp_path: Path) -> None:
    found = demo_run[0].result()
    assert found is not None
    assert read_matrix(demo_run[0].path, replace(found, weights_digest="other")) is None
    assert read_matrix(tmp_path, found) is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("counts", [[1]], "counts has 1 rows for"),
        ("names", [], "names has 0 rows for"),
        ("counts", None, "a row has 1 counts and"),
        ("queries", None, "a count is below 0 or above its queries"),
        ("labels", "x", "labels"),
    ],
)
def test_a_damaged_matrix_is_refused(demo_run: Finished, tmp_path: Path, key: str, value: object, words: str) -> None:
    found, content = demo_run[0].result(), json.loads((demo_run[0].path / FILE).read_text())
    assert found is not None
    size = len(content["labels"])
    short = [[1]] * size if key == "counts" else [[-1] * size] * size
    (tmp_path / FILE).write_text(json.dumps(content | {key: short if value is None else value}))
    with pytest.raises(MatrixError, match=rf"confusion\.json: damaged .*{words}.*Delete it; `fszoo report` then"):
        read_matrix(tmp_path, found)
