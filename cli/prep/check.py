"""fsprep check."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.bars import meter


@click.command("check")
@click.argument("store", metavar="STORE|URL")
@click.option("--out", type=click.Path(path_type=Path), help="Write report.md, report.json and figures to this folder.")
@click.option("--strict", is_flag=True, help="Exit status 3 if any clip has a flag.")
@options.as_json
@options.plain_errors
def command(store: str, out: Path | None, strict: bool, json_: bool) -> None:
    """Check the clips of a store: ghost bodies, frozen frames, missing joints, jumping bones, copies, wrong labels.

    Findings are not errors: the exit status is 0 unless --strict is given. If the command was stopped while it wrote
    the report, run it again.
    """
    from manifests.text import plain
    from prep.check.folder import record, write_report
    from prep.check.measures import measure
    from prep.check.report import as_text, make_report
    from prep.store.read import open_store

    opened = open_store(store)
    with meter(json_) as bars:
        report = make_report(opened, bars.run(measure(opened), "checking"))
        fresh = out is not None and bars.run(write_report(opened, report, out), "writing")
    written = f"\n  report and figures in {plain(str(out))}{'' if fresh else ', there already'}" if out else ""
    options.emit(json_, record(report), as_text(report) + written)
    if strict and report.flags:
        raise SystemExit(options.BAD_FILES)
