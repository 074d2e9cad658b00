"""fszoo replay."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.workspace import workspace
from cli.zoo._common import store_of

if TYPE_CHECKING:
    from zoo.runs.diverged import Replay


@click.command("replay")
@click.argument("run", type=click.Path(path_type=Path))
@options.store_path
@options.device
@options.as_json
@options.plain_errors
def command(run: Path, store: str | None, device: str, json_: bool) -> None:
    """Compute the loss of RUN that was not finite again, operation by operation.

    The training is repeated from the last checkpoint up to the episode or batch in diverged.safetensors. Prints the
    parts of its loss, its clips, the first module whose output is not finite and the operation whose gradient is not.
    The run's folder is left as it is.
    """
    from cli.device import choose
    from zoo.runs.chain import replay_run
    from zoo.runs.run import Run

    folder = Run(run)
    opened = store_of(folder.recipe(), store)
    with meter(json_) as bars:
        replayed = bars.run(replay_run(folder, opened, choose(device), workspace().runs))
    options.emit(json_, {"run": str(run), **asdict(replayed)}, _describe(run, replayed))


def _describe(run: Path, replayed: Replay) -> str:
    parts = ", ".join(f"{name} {value:.6g}" for name, value in replayed.losses.items())
    lines = [f"{run}: step {replayed.place.step}, episode or batch {replayed.place.unit}: {parts or 'no loss'}"]
    lines.append(f"  first module with an output that is not finite: {replayed.module or 'none'}")
    if replayed.operation:
        lines.append(f"  gradient: {replayed.operation}")
    return "\n".join([*lines, *(f"  clip {name}" for name in replayed.clips)])
