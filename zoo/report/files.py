"""The curves and the confusion matrix of a run as PNG in its folder, drawn from its log and confusion.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.drawing import write
from zoo.report.charts import curves, draw_confusion, draw_curves
from zoo.report.tally import share
from zoo.runs import log
from zoo.runs.confusion_matrix import read_matrix
from zoo.runs.run import Run

CURVES, CONFUSION = "curves.png", "confusion.png"


def draw_missing(run: Run) -> None:
    """Draw what the folder of a finished run has not got yet, as after a kill between its result and its figures."""
    if not (run.path / CURVES).exists():
        write_curves(run)
    if not (run.path / CONFUSION).exists():
        write_confusion(run)


def write_curves(run: Run) -> Path | None:
    """Draw curves.png in the folder of a run; None, and no file, for a run that was not trained."""
    arrays = curves(log.read(run.log))
    if "curve/done" not in arrays:
        return None
    path = run.path / CURVES
    write(draw_curves(arrays), path)
    return path


def write_confusion(run: Run) -> Path | None:
    """Draw confusion.png in the folder of a run; None, and no file, where its answers were not counted."""
    result = run.result()
    matrix = None if result is None else read_matrix(run.path, result)
    if matrix is None:
        return None
    path = run.path / CONFUSION
    write(draw_confusion(share(np.array(matrix.counts), np.array(matrix.queries)), matrix.names), path)
    return path
