"""The curves of a run as a PNG in its folder, drawn from its log."""

from __future__ import annotations

from pathlib import Path

from zoo.drawing import write
from zoo.report.charts import curves, draw_curves
from zoo.runs import log
from zoo.runs.run import Run


def write_curves(run: Run) -> Path | None:
    """Draw curves.png in the folder of a run; None, and no file, for a run that was not trained."""
    arrays = curves(log.read(run.log))
    if "curve/done" not in arrays:
        return None
    path = run.path / "curves.png"
    write(draw_curves(arrays), path)
    return path
