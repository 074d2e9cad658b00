"""fsprep validate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.prep._store import SHOWN, class_lines
from manifests.custom import EXAMPLE
from manifests.text import counted, plain

if TYPE_CHECKING:
    from prep.building.survey import Survey


@click.command("validate")
@click.argument("file", required=False, metavar="FILE", type=click.Path(path_type=Path))
@click.option("--example", is_flag=True, help="Print a dataset file to start from.")
@options.as_json
@options.plain_errors
def command(file: Path | None, example: bool, json_: bool) -> None:
    """Read your own dataset as described by a dataset file (a .toml FILE), and report its content and faults.

    Every clip is read; nothing is built. Exit status 3: some clips are bad. Warnings name likely mistakes and do not
    change the exit status.
    """
    if example:
        click.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)
        return
    if file is None:
        raise click.UsageError("Give the dataset file as FILE, or --example to print one.")
    from prep.building.survey import survey

    with meter(json_) as bars:
        surveyed = bars.run(survey(file))
    options.emit(json_, asdict(surveyed), _as_text(surveyed, file))
    if surveyed.bad:
        from prep.building.reasons import folded

        for line in folded(surveyed.bad, SHOWN):
            click.echo(plain(f"Bad: {line}"), err=True)
        bad, clips = len(surveyed.bad), counted(surveyed.clips + len(surveyed.bad), "clip")
        click.echo(f"Error: {bad:,} of {clips} {'is' if bad == 1 else 'are'} bad.", err=True)
        raise SystemExit(options.BAD_FILES)


def _as_text(survey: Survey, file: Path) -> str:
    data = survey.data
    shortest, median, longest = survey.frames
    ranges = zip(survey.low, survey.high, strict=True)
    kept, at_once = counted(data.bodies, "body", "bodies"), counted(survey.bodies, "body", "bodies")
    lines = [
        f"{data.name}: {data.title}",
        f"  layout {data.layout}, unit {data.unit}, {data.fps:g} frames per second, at most {kept} kept",
        f"  {counted(survey.clips, 'clip')} read, {len(survey.bad):,} bad; up to {at_once} at once",
        f"  {shortest} to {longest} frames, median {median} ({median / data.fps:.1f} s)",
        f"  clips with NaN coordinates: {survey.missing:,}",
        *(f"  coordinate {axis}: {low:.4g} to {high:.4g}" for axis, (low, high) in enumerate(ranges)),
        f"  longest side of a body, median: {survey.size:.4g} {data.unit}",
        *(f"  the head points towards {axis} in {counted(count, 'clip')}" for axis, count in survey.up),
        "  number, name and clips of each class:",
        *class_lines(data.classes, dict(survey.clips_per_class)),
        *(f"Warning: {warning}" for warning in survey.warnings),
    ]
    lines += [] if survey.bad else [f"Build it: fsprep build {file}"]
    return "\n".join(plain(line) for line in lines)
