"""The figures of a finished sweep, drawn without being asked for: accuracy over each of its numerical axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.workspace import workspace
from cli.zoo._common import store_of
from cli.zoo._sweeping import Report, Sweep

if TYPE_CHECKING:
    from zoo.explain._subject import Subject


def with_figures(sweep: Sweep, key: str, overs: Sequence[str], shown: Report) -> Report:
    """The report of a sweep with the paths of its figures by axis, once all of its runs are finished.

    A figure lies beside the kept table. Seeds and class splits are averaged, and an axis of words has no figure.
    """
    if len(shown.record["runs"]) < len(set(sweep.keys)):
        return shown
    from zoo.explain.sweep import numerical_axes
    from zoo.sweep.kept import figure_path

    name = re.sub(r"\W+", "_", sweep.cells[0].recipe.name)
    axes = numerical_axes(_subjects(shown), [over.partition("=")[0] for over in overs])
    figures = {axis: str(figure_path(workspace().runs, key, f"{name}-{axis}")) for axis in axes}
    text = "\n".join([shown.text, *(f"figure: {path}" for path in figures.values())])
    return replace(shown, text=text, record={**shown.record, "figures": figures})


def draw_figures(shown: Report) -> None:
    """Draw the figures that a report names, each with its arrays, as `fszoo explain RUN... sweep` does."""
    from prep.files import disk_errors
    from prep.progress import result
    from zoo.drawing import write
    from zoo.explain._figure import figure

    for axis, name in shown.record.get("figures", {}).items():
        made, path = figure("sweep", {"key": axis}), Path(name)
        arrays = result(made.arrays(_subjects(shown)))
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays.save(path.with_suffix(".npz"))
            write(made.draw(arrays), path)


def _subjects(shown: Report) -> list[Subject]:
    from cli.device import choose
    from zoo.explain._subject import Subject
    from zoo.runs.run import Run

    device = choose("cpu")
    return [Subject(Run(Path(run)), lambda recipe: store_of(recipe, None), device) for run in shown.record["runs"]]
