"""fszoo explain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli import options
from cli.bars import meter
from cli.zoo._common import store_of


@click.command("explain")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("figure")
@click.option(
    "--out", type=click.Path(path_type=Path), help="A .png, .svg or .pdf file [default: FIGURE.png in the first run]."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change an option of the figure.")
@options.store_path
@options.device
@options.as_json
@options.plain_errors
def command(
    runs: tuple[Path, ...],
    figure: str,
    out: Path | None,
    settings: tuple[str, ...],
    store: str | None,
    device: str,
    json_: bool,
) -> None:
    """Draw FIGURE from finished RUNS, and write its arrays beside it as a .npz file with named axes.

    FIGURE is one of activation, attribution, failures, gains, similarity, sweep and tsne. Its numbers are printed.
    """
    from cli.device import choose
    from prep.files import disk_errors
    from zoo.drawing import check_format, write
    from zoo.explain._figure import figure as figure_of
    from zoo.explain._subject import Subject
    from zoo.runs.run import Run

    made = figure_of(figure, _values(settings))
    made.check_runs(len(runs))
    path = out or runs[0] / f"{figure}.png"
    check_format(path)
    subjects = [Subject(Run(run), lambda recipe: store_of(recipe, store), choose(device)) for run in runs]
    with meter(json_) as bars:
        arrays = bars.run(made.arrays(subjects))
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays.save(path.with_suffix(".npz"))
        write(made.draw(arrays), path)
    words = made.words(arrays)
    files = {"figure": str(path), "arrays": str(path.with_suffix(".npz"))}
    options.emit(json_, {**files, "numbers": words}, "\n".join([*words, *files.values()]))


def _values(settings: tuple[str, ...]) -> dict[str, Any]:
    from zoo.experiment.settings import parsed_setting

    values: dict[str, Any] = {}
    for setting in settings:
        values |= parsed_setting(setting)
    return values
