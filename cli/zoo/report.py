"""fszoo report."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.zoo._common import store_of


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

    Accuracy beside chance, the best untrained recipe and the paper's number; choices, curves, confusion, classes, and
    the most certain mistakes with clips that play. Two runs are compared on the same tasks. The test tasks are answered
    again for it.
    """
    from cli.device import choose
    from prep.files import atomic_write, disk_errors
    from zoo.report.contents import contents_of, joined
    from zoo.report.page import page
    from zoo.runs.run import Run

    found = []
    for path in runs:
        run = Run(path)
        opened = store_of(run.recipe(), store)
        with meter(json_) as bars:
            found.append(bars.run(contents_of(run, opened, choose(device))))
    folder = out or runs[0] / "report"
    html = page(found)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        joined(found).save(folder / "report.npz")
        atomic_write(folder / "report.html", html)
    files = {"report": str(folder / "report.html"), "arrays": str(folder / "report.npz")}
    size = f"{len(html.encode()) / 1e6:.2f} MB"
    options.emit(json_, files, f"{files['report']} ({size})\n{files['arrays']}")
