"""Charts of a run: what the log says, drawn from arrays alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.finished_run import Finished

from zoo.report.charts import curves, draw_confusion, draw_curves, running_mean
from zoo.report.files import draw_missing, write_confusion, write_curves
from zoo.runs.run import Run

ROWS = [
    {
        "step": str(i),
        "done": str(10 * i),
        "lr": "0.1",
        "loss": str(2.0 / i),
        "accuracy": "0.5",
        "validation": "",
        "rank": "1",
    }
    for i in range(1, 100)
]


def test_curves_are_the_columns_of_the_log() -> None:
    arrays = curves([*ROWS[:2], {**ROWS[2], "validation": "0.25"}])
    assert arrays["curve/loss"].tolist() == [2.0, 1.0, 2.0 / 3]
    np.testing.assert_array_equal(arrays["curve/validation"], [np.nan, np.nan, 0.25])
    assert list(curves([])) == []


@pytest.mark.parametrize("rows", [ROWS, ROWS[:3], [{k: v for k, v in ROWS[0].items() if k != "accuracy"}]])
def test_curves_are_drawn_for_long_and_short_logs(rows: list[dict[str, str]]) -> None:
    figure = draw_curves(curves(rows))
    assert len(figure.axes) == (2 if "accuracy" in rows[0] else 1)
    # `rank` is the only part of the loss, so the sum of the parts is not drawn again.
    line = figure.axes[0].get_lines()[0]
    np.testing.assert_array_equal(line.get_xydata(), [[float(row["done"]), float(row["rank"])] for row in rows])


def test_a_confusion_matrix_has_a_cell_for_every_pair() -> None:
    shares = np.array([[0.75, 0.25], [np.nan, 1.0]])
    figure = draw_confusion(shares, ["<b>$x$", "b"])
    axis = figure.axes[0]
    np.testing.assert_allclose(axis.images[0].get_array().filled(np.nan), 100 * shares)
    assert [text.get_text() for text in axis.texts] == ["75", "25", "100"]
    many = draw_confusion(np.eye(20), [f"class {i}" for i in range(20)])
    assert len(many.axes[0].texts) == 0


def test_a_running_mean_leaves_gaps_out() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0])
    expected = [np.nanmean(values[max(0, i - 1) : i + 2]) for i in range(4)]
    np.testing.assert_allclose(running_mean(values, 3), expected)


def test_a_trained_run_gets_its_curves_as_a_file(demo_run: Finished, tmp_path: Path) -> None:
    run, _ = demo_run
    (tmp_path / "log.csv").write_bytes(run.log.read_bytes())
    assert write_curves(Run(tmp_path)) == tmp_path / "curves.png"
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert write_curves(Run(tmp_path / "untrained")) is None


@pytest.mark.slow
def test_a_run_gets_its_confusion_matrix_as_a_file(demo_run: Finished, tmp_path: Path) -> None:
    assert write_confusion(demo_run[0]) == demo_run[0].path / "confusion.png"
    assert (demo_run[0].path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert write_confusion(Run(tmp_path)) is None


@pytest.mark.slow
def test_a_figure_that_is_missing_is_drawn_and_one_that_is_there_is_kept(demo_run: Finished) -> None:
    run = demo_run[0]
    (run.path / "curves.png").write_bytes(b"kept")
    (run.path / "confusion.png").unlink(missing_ok=True)
    draw_missing(run)
    assert (run.path / "curves.png").read_bytes() == b"kept"
    assert (run.path / "confusion.png").read_bytes().startswith(b"\x89PNG")
