"""fsprep validate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from manifests.custom import EXAMPLE

if TYPE_CHECKING:
    from prep.build.survey import Survey


@click.command("validate")
@click.argument("manifest", required=False, metavar="FILE", type=click.Path(path_type=Path))
@click.option("--example", is_flag=True, help="Print a manifest to start from.")
@options.as_json
@options.plain_errors
def command(manifest: Path | None, example: bool, json_: bool) -> None:
    """Read one's own data set, described by a .toml FILE, and say what is in it and what is wrong; builds nothing.

    Exit status 3: some clips are bad. Warnings are likely slips, and leave the status at 0.
    """
    if example:
        click.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)
        return
    if manifest is None:
        raise click.UsageError("name the manifest, or take --example.")
    from prep.build.survey import look, survey

    with meter(json_) as bars:
        found = survey(manifest, list(bars.track("reading", look(manifest))))
    options.emit(json_, asdict(found), _told(found, manifest))
    if found.bad:
        for name, reason in found.bad:
            click.echo(f"Bad: {name}: {reason}", err=True)
        click.echo(f"Error: {len(found.bad)} of {found.clips + len(found.bad)} clips are bad.", err=True)
        raise SystemExit(options.BAD_FILES)


def _told(found: Survey, manifest: Path) -> str:
    data = found.data
    least, middle, most = found.frames
    lines = [
        f"{data.name}: {data.title}",
        f"  layout {data.layout}, unit {data.unit}, {data.fps:g} frames a second, at most {data.bodies} bodies kept",
        f"  {found.clips:,} clips read, {len(found.bad):,} bad; up to {found.bodies} bodies at once",
        f"  {least} to {most} frames, half of the clips {middle} ({middle / data.fps:.1f} s) or more",
        f"  clips with missing numbers: {found.missing:,}",
        *(f"  coordinate {axis}: {low:.4g} to {high:.4g}" for axis, (low, high) in enumerate(_ranges(found))),
        f"  longest side of a body, median: {found.size:.4g} {data.unit}",
        *(f"  the head lies towards {axis} in {count:,} clips" for axis, count in found.up),
        *(f"  {count:6,} {name}" for name, count in found.clips_per_class),
        *(f"Warning: {warning}" for warning in found.warnings),
    ]
    return "\n".join(lines if found.bad else [*lines, f"Build it: fsprep build {manifest}"])


def _ranges(found: Survey) -> list[tuple[float, float]]:
    return list(zip(found.low, found.high, strict=True))
