"""fszoo eval."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace
from cli.zoo._common import describe, store_of


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@options.store_path
@options.settings
@options.device
@click.option("--untrained", is_flag=True, help="Measure the network as it was before training, for comparison.")
@options.as_json
@options.plain_errors
def command(run: Path, store: str | None, settings: tuple[str, ...], device: str, untrained: bool, json_: bool) -> None:
    """Measure the trained RUN again: accuracy with its 95 % interval, episodes and seeds.

    Warnings name test classes that the run was trained on, a store of another preprocessing, and a run that is not
    finished.
    """
    from cli.device import choose
    from zoo.experiment.resolve import resolve
    from zoo.runs.chain import measure_run, measure_untrained
    from zoo.runs.run import Run
    from zoo.runs.status import status

    folder = Run(run)
    folder.recipe()
    resolved = resolve(str(run), settings=settings)
    opened, chosen = store_of(resolved, store), choose(device)
    if untrained:
        work = measure_untrained(resolved, opened, chosen, workspace().runs)
    else:
        work = measure_run(folder, resolved, opened, chosen)
    with meter(json_) as bars:
        result = bars.run(work)
    if not untrained and (now := status(run)).state != "finished":
        remark = f"the run is not finished ({now.how_far}); these are its weights so far"
        result = replace(result, warnings=(*result.warnings, remark))
    options.emit(json_, {"run": str(run), **asdict(result)}, describe(result))
