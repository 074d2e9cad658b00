"""fsprep diff."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter

if TYPE_CHECKING:
    from prep.curate.diff import Difference

DIFFER = 1  # the exit status of diff(1)
ROWS = 5


@click.command("diff")
@click.argument("a", metavar="STORE|URL")
@click.argument("b", metavar="STORE|URL")
@options.as_json
@options.plain_errors
def command(a: str, b: str, json_: bool) -> None:
    """Compare two stores: preprocessing, clips, labels, raw files, and joints with their distances.

    Exit status 0 if their content is equal, 1 if it differs, 2 if a store cannot be read.
    """
    from prep.curate.diff import difference
    from prep.store.read import open_store

    with meter(json_) as bars:
        compared = bars.run(difference(open_store(a), open_store(b)), "comparing")
    options.emit(json_, {"same": compared.same, **asdict(compared)}, format_difference(compared))
    if not compared.same:
        raise SystemExit(DIFFER)


def format_difference(difference: Difference) -> str:
    """A difference as lines of text."""
    digests, only_a, only_b = difference.digests, difference.only_a, difference.only_b
    lines = [f"A {difference.a}", f"  digest {digests[0]}", f"B {difference.b}", f"  digest {digests[1]}", ""]
    for fact in difference.facts:
        remark = "" if fact.content else "  (no difference in content)"
        lines += [f"  {fact.name}{remark}", f"    A {fact.a}", f"    B {fact.b}"]
    counts = f"{difference.both:,} clips in both, {len(only_a):,} only in A, {len(only_b):,} only in B"
    lines += [f"  {counts}" + ("" if difference.order else "; in another order")]
    for store, names in (("A", only_a), ("B", only_b)):
        lines += [f"    only in {store}: {_shortened(list(names))}"] if names else []
    for column in difference.columns:
        rows = [f"{name}: {value_a} / {value_b}" for name, value_a, value_b in column.clips]
        lines += [f"  {column.name}: differs in {len(rows):,} clips", f"    {_shortened(rows)}"]
    conclusion = "The same content." if difference.same else "They differ."
    return "\n".join([*lines, *_format_joints(difference), "", conclusion])


def _format_joints(difference: Difference) -> list[str]:
    lines = [f"  joints compared: {difference.overlap}"] if difference.overlap else []
    left, gaps = difference.both - difference.compared, difference.gaps
    lines += [
        f"  joints: equal in {difference.same_joints:,} of {difference.compared:,} clips with equally many frames; "
        f"absolute difference at most {difference.largest:.6g}, {difference.mean:.6g} on average"
    ]
    lines += [f"    {left:,} clips differ in frames and were not compared"] if left else []
    masks = sum(gap.mask for gap in gaps)
    lines += [f"    bodies are present in other frames in {masks:,} clips"] if masks else []
    origins = sum(gap.origin for gap in gaps)
    lines += [f"    the origin (recorded position of the zero point) differs in {origins:,} clips"] if origins else []
    lines += [f"    {gap.name}: at most {gap.largest:.6g}, {gap.mean:.6g} on average" for gap in gaps[:ROWS]]
    return lines + ([f"    ... and {len(gaps) - ROWS:,} more"] if len(gaps) > ROWS else [])


def _shortened(rows: list[str]) -> str:
    return ", ".join(rows[:ROWS]) + (f", ... and {len(rows) - ROWS:,} more" if len(rows) > ROWS else "")
