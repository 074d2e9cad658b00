"""fszoo eval."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace
from cli.zoo._common import describe, store_of

if TYPE_CHECKING:
    from zoo.runs.confusion import Confusion


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@options.store_path
@options.settings
@options.device
@click.option("--untrained", is_flag=True, help="Measure the network as it was before training, for comparison.")
@click.option("--confused", default=0, metavar="N", type=click.IntRange(0), help="Print the N most confused pairs.")
@options.as_json
@options.plain_errors
def command(
    run: Path, store: str | None, settings: tuple[str, ...], device: str, untrained: bool, confused: int, json_: bool
) -> None:
    """Measure the trained RUN again: accuracy with its 95 % interval, episodes and seeds.

    Warnings name test classes that the run was trained on, a store of another preprocessing, and a run that is not
    finished. --confused adds the ordered pairs of classes that are confused most, with the share of the first class's
    queries that are taken for the second.
    """
    if untrained and confused:
        raise click.UsageError("--confused counts the answers of the trained run. Leave out --untrained.")
    from cli.device import choose
    from zoo.experiment.resolve import resolve
    from zoo.runs.chain import confusions_of_run, measure_run, measure_untrained
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
        pairs = bars.run(confusions_of_run(folder, resolved, opened, chosen, confused)) if confused else ()
    if not untrained and (now := status(run)).state != "finished":
        remark = f"the run is not finished ({now.how_far}); these are its weights so far"
        result = replace(result, warnings=(*result.warnings, remark))
    lines = [describe(result), *(_confusion(pair) for pair in pairs)]
    counted = {"confused": [pair.record() for pair in pairs]} if confused else {}
    options.emit(json_, {"run": str(run), **asdict(result), **counted}, "\n".join(lines))


def _confusion(pair: Confusion) -> str:
    """A confused pair in words."""
    counts = f"{100 * pair.share:.1f} % ({pair.times:,} of {pair.queries:,})"
    return f"  confused: {pair.name} ({pair.label}) taken for {pair.taken_for_name} ({pair.taken_for}): {counts}"
