"""fszoo train."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace
from cli.zoo._common import describe, recipe_and_store, slow_precision, warn


@click.command("train")
@click.argument("recipe", metavar="RECIPE|FILE.toml|FILE.py")
@click.option("--data", default="", metavar="SPLIT", help="Another split than the recipe's own, for example demo.")
@options.store_path
@options.settings
@options.device
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run [default: in the workspace].")
@click.option("--tensorboard", is_flag=True, help="Write a log for TensorBoard too; log.csv is always written.")
@click.option("--capture", is_flag=True, help="CUDA only: replay each training step as a CUDA graph.")
@options.as_json
@options.plain_errors
def command(
    recipe: str,
    data: str,
    store: str | None,
    settings: tuple[str, ...],
    device: str,
    out: Path | None,
    tensorboard: bool,
    capture: bool,
    json_: bool,
) -> None:
    """Train RECIPE and measure it on the test classes. The same command continues a run that was stopped.

    A .py file holds a method of your own; its code is executed. A recipe that starts from another recipe
    (init.source) trains that one first, in a run of its own, and reuses it afterwards. Started by torchrun, the ranks
    share the episodes of each step. Ctrl-C saves a checkpoint first. The run holds curves.png and confusion.png.
    """
    from cli.interrupt import deferred_interrupt
    from cli.ranks import ranks_and_device
    from cli.stopwatch import gauge, laps
    from zoo.report.files import draw_missing
    from zoo.runs.chain import train_chain
    from zoo.runs.execute import Runtime

    resolved, opened, remarks = recipe_and_store(recipe, data, settings, store)
    with ranks_and_device(device) as (ranks, chosen), deferred_interrupt() as interrupted:
        if ranks.first and not json_:
            warn(remarks)
            warn(slow_precision(resolved, chosen), "Warning")
        runtime = Runtime(ranks, laps(chosen), capture, tensorboard, gauge(chosen))
        with meter(json_ or not ranks.first) as bars:
            work = train_chain(resolved, opened, chosen, workspace().runs, out, runtime)
            run, result, fresh = bars.run(work, interrupted=interrupted)
    if not ranks.first:
        return
    draw_missing(run)
    first = str(run.path) if fresh else f"Already finished: {run.path}"
    options.emit(json_, {"run": str(run.path), **asdict(result)}, f"{first}\n{describe(result)}")
