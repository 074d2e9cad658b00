"""fsprep diff."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter

if TYPE_CHECKING:
    from prep.curate.diff import Difference

DIFFER = 1  # as diff(1) has it
ROWS = 5


@click.command("diff")
@click.argument("a", metavar="STORE|URL")
@click.argument("b", metavar="STORE|URL")
@options.as_json
@options.plain_errors
def command(a: str, b: str, json_: bool) -> None:
    """What differs between two stores: recipes, clips, labels, raw files, joints and by how much.

    Exit status 0 when they hold the same, 1 when they differ, 2 when one cannot be read.
    """
    from prep.curate.diff import Comparison
    from prep.store.read import open_store

    comparison = Comparison(open_store(a), open_store(b))
    with meter(json_) as bars:
        for read in comparison.run():
            bars.show("comparing", read.done, read.total)
    found = comparison.difference()
    options.emit(json_, {"same": found.same, **asdict(found)}, told(found))
    if not found.same:
        raise SystemExit(DIFFER)


def told(found: Difference) -> str:
    """A difference as lines of text."""
    lines = [f"A {found.a}", f"  digest {found.digests[0]}", f"B {found.b}", f"  digest {found.digests[1]}", ""]
    for fact in found.facts:
        aside = "" if fact.content else "  (no difference in content)"
        lines += [f"  {fact.name}{aside}", f"    A {fact.a}", f"    B {fact.b}"]
    only = f"{found.both:,} clips in both, {len(found.only_a):,} only in A, {len(found.only_b):,} only in B"
    lines += [f"  {only}" + ("" if found.order else "; in another order")]
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        lines += [f"    only in {side}: {_first(list(names))}"] if names else []
    for column in found.columns:
        rows = [f"{name}: {ours} / {theirs}" for name, ours, theirs in column.clips]
        lines += [f"  {column.name}: differs in {len(rows):,} clips", f"    {_first(rows)}"]
    lines += [*_joints(found), "", "The same content." if found.same else "They differ."]
    return "\n".join(lines)


def _joints(found: Difference) -> list[str]:
    lines = [f"  joints compared: {found.overlap}"] if found.overlap else []
    left = found.both - found.compared
    lines += [
        f"  joints: equal in {found.same_joints:,} of {found.compared:,} clips of as many frames; absolute difference "
        f"at most {found.largest:.6g}, {found.mean:.6g} on average"
    ]
    lines += [f"    {left:,} clips differ in frames and were not compared"] if left else []
    masks = sum(gap.mask for gap in found.gaps)
    lines += [f"    bodies are present in other frames in {masks:,} clips"] if masks else []
    lines += [f"    {gap.name}: at most {gap.largest:.6g}, {gap.mean:.6g} on average" for gap in found.gaps[:ROWS]]
    return lines + ([f"    ... and {len(found.gaps) - ROWS:,} more"] if len(found.gaps) > ROWS else [])


def _first(rows: list[str]) -> str:
    return ", ".join(rows[:ROWS]) + (f", ... and {len(rows) - ROWS:,} more" if len(rows) > ROWS else "")
