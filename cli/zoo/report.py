"""fszoo report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.workspace import WorkspaceError
from cli.zoo._common import store_of, warn

if TYPE_CHECKING:
    from prep.store.read import Store
    from zoo.experiment.recipe import Recipe


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.store_path
@options.device
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the report [default: report/ in the first run]."
)
@options.as_json
@options.plain_errors
def command(runs: tuple[Path, ...], store: str | None, device: str, out: Path | None, json_: bool) -> None:
    """Write a page about finished RUNS: report.html, which needs no network, and its arrays in report.npz.

    Accuracy beside chance, the best untrained recipe and the paper's number; choices, curves and classes; and clips
    that play: those of the most certain mistakes, and of any cell of the confusion matrix. Two runs are compared on the
    same tasks. The test tasks are answered again for it. Where the workspace has no store of a run any more, its page
    has no clips and no mistakes.
    """
    from cli.device import choose
    from prep.files import atomic_write, disk_errors
    from zoo.report.cells import ROOM
    from zoo.report.contents import contents_of, joined
    from zoo.report.page import page
    from zoo.runs.run import Run

    found = []
    for path in runs:
        run = Run(path)
        opened, absent = _store(run.recipe(), store)
        with meter(json_) as bars:
            found.append(bars.run(contents_of(run, opened, choose(device), absent, ROOM // len(runs))))
        if found[-1].absent:
            warn([f"{path}: no clips and no mistakes: {found[-1].absent}"])
    folder = out or runs[0] / "report"
    html = page(found)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        joined(found).save(folder / "report.npz")
        atomic_write(folder / "report.html", html)
    files = {"report": str(folder / "report.html"), "arrays": str(folder / "report.npz")}
    size = f"{len(html.encode()) / 1e6:.2f} MB"
    options.emit(json_, files, f"{files['report']} ({size})\n{files['arrays']}")


def _store(recipe: Recipe, named: str | None) -> tuple[Store | None, str]:
    """The store of a recipe, or None and why: only one that the user names must be there."""
    try:
        return store_of(recipe, named), ""
    except WorkspaceError as error:
        if named:
            raise
        return None, str(error).partition("\n")[0].rstrip(".:")
