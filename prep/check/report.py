"""The report of a check: findings, counts, and what could not be tried; as a record, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prep.check.measures import Measures, as_recorded, known_dataset
from prep.preprocessing import quality
from prep.store.read import Store

NAMED = 5  # clips that a line of text names
BY_JOINTS = (quality.GHOST, quality.FROZEN, quality.ZERO, quality.BONE_JUMP, quality.BODY_COUNT)


@dataclass(frozen=True)
class Finding:
    """Something that holds for `clips`, of which `worst` does so most (the first where all do alike)."""

    name: str
    meaning: str
    clips: tuple[str, ...]
    worst: str


@dataclass(frozen=True)
class Report:
    """What a check found. `flags` are those of prep.preprocessing.quality that any clip has, `others` concern no flag.

    `lengths` are frames per clip, in the order of the clips; `bones` are (name, mean length, mean spread in parts of
    it) in the layout's order, NaN where never seen; `remarks` say what was not tried, and why.
    """

    path: str
    digest: str
    dataset: str
    recipe: str
    unit: str
    clips: int
    frames: int
    flags: tuple[Finding, ...]
    others: tuple[Finding, ...]
    classes: tuple[tuple[str, int], ...]
    lengths: tuple[int, ...]
    bones: tuple[tuple[str, float, float], ...]
    remarks: tuple[str, ...]

    @property
    def flagged(self) -> int:
        """How many clips have any flag."""
        return len({name for finding in self.flags for name in finding.clips})


def report(store: Store, found: Measures) -> Report:
    """The report on what a pass over the store has measured."""
    info = store.info
    lengths = np.diff(store.offsets)
    counts = np.bincount(store.label, minlength=len(info.classes))
    return Report(
        path=store.path,
        digest=store.digest,
        dataset=f"{info.dataset} {info.subset}".strip(),
        recipe=f"{info.recipe} v{info.recipe_version}",
        unit=info.unit,
        clips=len(store),
        frames=store.frames,
        flags=tuple(_finding(store, found, flag) for flag in quality.FLAGS if (found.flags & flag.bit).any()),
        others=_others(store, found, lengths, counts),
        classes=tuple((name, int(count)) for name, count in zip(info.classes, counts, strict=True)),
        lengths=tuple(int(length) for length in lengths),
        bones=_bones(store, found),
        remarks=_remarks(store),
    )


def _finding(store: Store, found: Measures, flag: quality.Flag) -> Finding:
    clips = np.flatnonzero(found.flags & flag.bit)
    worst = found.worst.get(flag.bit, int(clips[0]))
    return Finding(flag.name, flag.meaning, tuple(store.names[clip] for clip in clips), store.names[worst])


def _others(store: Store, found: Measures, lengths: np.ndarray, counts: np.ndarray) -> tuple[Finding, ...]:
    names = store.names
    copies = tuple(" = ".join(names[clip] for clip in group) for group in found.copies)
    single = tuple(names[clip] for clip in np.flatnonzero(lengths == 1))
    absent = tuple(name for name, count in zip(store.info.classes, counts, strict=True) if not count)
    rows = (
        ("copies", "groups of clips with the same joints to the last bit", copies),
        ("one-frame", "clips of a single frame", single),
        ("no-clips", "classes without a clip", absent if not store.info.subset else ()),
    )
    return tuple(Finding(name, meaning, clips, clips[0]) for name, meaning, clips in rows if clips)


def _bones(store: Store, found: Measures) -> tuple[tuple[str, float, float], ...]:
    known = store.info.layout
    names = (f"{known.joints[child]} - {known.joints[parent]}" for child, parent in known.bones)
    return tuple(
        (name, float(length), float(spread))
        for name, length, spread in zip(names, found.bone_length, found.bone_spread, strict=True)
    )


def _remarks(store: Store) -> tuple[str, ...]:
    words = ", ".join(flag.name for flag in quality.FLAGS if flag.bit in BY_JOINTS)
    remarks = [f"{words}: as the build found them in the recordings"]
    if as_recorded(store):
        remarks[0] += ", and tried again here, since joints (but for bodies left out) lie in the store as recorded"
    else:
        remarks[0] += f"; the recipe {store.info.recipe} has changed the joints, so they cannot be tried again here"
    if known_dataset(store) is None:
        remarks.append(f"label: as the build found it; no data set `{store.info.dataset}` ships, so names say nothing")
    if store.info.left_out:
        remarks.append(f"{len(store.info.left_out)} files were bad and left out of the build; `fsprep info` names them")
    return tuple(remarks)


def table(found: Report) -> list[tuple[str, str, str, str, str]]:
    """Rows (name, count, share, meaning, first names) of all findings."""
    rows = []
    for finding in (*found.flags, *found.others):
        share = f"{len(finding.clips) / found.clips:.2%}" if finding in found.flags else ""
        rows.append((finding.name, f"{len(finding.clips):,}", share, finding.meaning, _first(finding.clips)))
    return rows


def told(found: Report) -> str:
    """A report as lines of text."""
    counts = [count for _, count in found.classes if count]
    lines = [
        found.path,
        f"  {found.dataset} prepared by {found.recipe}: {found.clips:,} clips, {found.frames:,} frames",
        f"  clips of {span(found.lengths, 'frame')}, median {int(np.median(found.lengths or [0]))}; "
        f"{len(counts)} classes of {span(counts, 'clip')}",
        f"  {found.flagged:,} clips with a flag" if found.flags else "  no clip with a flag",
        "",
    ]
    for name, count, share, meaning, first in table(found):
        lines += [f"  {name:<14} {count:>7} {share:>8}  {meaning}", f"  {'':<14} {'':>7} {'':>8}  {first}"]
    return "\n".join([*lines, *(f"  {remark}." for remark in found.remarks)])


def markdown(found: Report, pictures: Sequence[tuple[str, str]]) -> str:
    """A report as Markdown; `pictures` are (caption, file name) beside it."""
    lines = [
        f"# Check of {found.dataset}, prepared by {found.recipe}",
        "",
        f"`{found.path}`: {found.clips:,} clips, {found.frames:,} frames, digest `{found.digest}`.",
        f"{found.flagged:,} clips have a flag.",
        "",
        "| finding | clips | share | meaning | first names |",
        "|---|---:|---:|---|---|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table(found)),
        "",
        *(f"- {remark}." for remark in found.remarks),
        "",
    ]
    for caption, file in pictures:
        lines += [f"## {caption}", "", f"![{caption}]({file})", ""]
    return "\n".join(lines)


def span(counts: Sequence[int], of: str) -> str:
    """The least and the largest of some counts, in words.

    >>> span([3, 1, 2], "clip"), span([1, 1], "clip")
    ('1 to 3 clips', '1 clip')
    """
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,} to {high:,} {of}s" if low < high else f"{high:,} {of}" + "s" * (high != 1)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f", ... and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
