"""fsprep check."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.bars import meter


@click.command("check")
@click.argument("store", metavar="STORE|URL")
@click.option("--out", type=click.Path(path_type=Path), help="Write report.md, report.json and pictures here.")
@click.option("--strict", is_flag=True, help="Exit status 3 when any clip has a flag.")
@options.as_json
@options.plain_errors
def command(store: str, out: Path | None, strict: bool, json_: bool) -> None:
    """Look at the clips of a store: ghosts, frozen frames, missing joints, jumping bones, copies, wrong labels.

    A finding is no error: exit status 0, unless --strict.
    """
    from prep.check.folder import record, write_folder
    from prep.check.measures import Inspection
    from prep.check.report import report, told
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        inspection = Inspection(opened)
        for read in inspection.run():
            bars.show("checking", read.done, read.total)
        found = report(opened, inspection.measures())
        for step in write_folder(opened, found, out) if out else ():
            bars.show("writing", step.done, step.total, step.file)
    options.emit(json_, record(found), told(found) + (f"\n  pictures in {out}" if out else ""))
    if strict and found.flags:
        raise SystemExit(options.BAD_FILES)
