"""The report of a check: findings, counts, and rules that could not be tested; as a record, as text, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.text import markdown, plain, span
from prep.check.measures import Measures, as_recorded, shipped_dataset
from prep.preprocessing import quality
from prep.preprocessing.proportions import unlikely_bones, wrong_direction
from prep.store.read import Store

NAMED = 5  # names per finding in text and Markdown
BY_JOINTS = (quality.GHOST, quality.FROZEN, quality.ZERO, quality.BONE_JUMP, quality.BODY_COUNT)


@dataclass(frozen=True)
class Finding:
    """A property of `clips`, with the clip that has it most: `worst` (the first clip if all are equal)."""

    name: str
    meaning: str
    clips: tuple[str, ...]
    worst: str


@dataclass(frozen=True)
class Report:
    """The result of a check: `flags` are quality flags that at least one clip has, `others` are other findings.

    `classes` are (name, clips); `lengths` are frames per clip, in the store's order; `bones` are (name, mean length,
    standard deviation as a fraction of it) in the layout's order, NaN for a bone that no clip has. `remarks` say which
    rules were not tested, and why.
    """

    path: str
    digest: str
    dataset: str
    preprocessing: str
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
        """The number of clips with at least one flag."""
        return len({name for finding in self.flags for name in finding.clips})


def make_report(store: Store, measures: Measures) -> Report:
    """Make the report on a store from its measures."""
    info = store.info
    lengths = np.diff(store.offsets)
    counts = np.bincount(store.label, minlength=len(info.classes))
    return Report(
        path=store.path,
        digest=store.digest,
        dataset=f"{info.dataset} {info.subset}".strip(),
        preprocessing=f"{info.preprocessing} v{info.preprocessing_version}",
        unit=info.unit,
        clips=len(store),
        frames=store.frames,
        flags=tuple(_finding(store, measures, flag) for flag in quality.FLAGS if (measures.flags & flag.bit).any()),
        others=_others(store, measures, lengths, counts),
        classes=tuple((name, int(count)) for name, count in zip(info.classes, counts, strict=True)),
        lengths=tuple(int(length) for length in lengths),
        bones=_bones(store, measures),
        remarks=_remarks(store),
    )


def _finding(store: Store, measures: Measures, flag: quality.Flag) -> Finding:
    clips = np.flatnonzero(measures.flags & flag.bit)
    worst = measures.worst.get(flag.bit, int(clips[0]))
    return Finding(flag.name, flag.meaning, tuple(store.names[clip] for clip in clips), store.names[worst])


def _others(store: Store, measures: Measures, lengths: np.ndarray, counts: np.ndarray) -> tuple[Finding, ...]:
    names, classes = store.names, store.info.classes
    alike = [group for group in measures.copies if len(set(store.label[list(group)].tolist())) == 1]
    copies = tuple(" = ".join(names[clip] for clip in group) for group in alike)
    conflicts = tuple(
        " = ".join(f"{names[clip]} ({classes[int(store.label[clip])]})" for clip in group)
        for group in measures.copies
        if group not in alike
    )
    order = unlikely_bones(store.info.layout, measures.bone_length)
    order += [line for line in [wrong_direction(store.info.layout, measures.up)] if line]
    single = tuple(names[clip] for clip in np.flatnonzero(lengths == 1))
    absent = tuple(name for name, count in zip(classes, counts, strict=True) if not count)
    rows = (
        ("label-conflict", "groups of clips with bit-identical joints and different labels", conflicts),
        ("copies", "groups of clips with bit-identical joints", copies),
        ("joint-order", "what no body has: check the order of the joints and the axes", tuple(order)),
        ("one-frame", "clips with a single frame", single),
        ("no-clips", "classes without clips", absent if not store.info.subset else ()),
    )
    return tuple(Finding(name, meaning, clips, clips[0]) for name, meaning, clips in rows if clips)


def _bones(store: Store, measures: Measures) -> tuple[tuple[str, float, float], ...]:
    layout = store.info.layout
    names = (f"{layout.joints[child]} - {layout.joints[parent]}" for child, parent in layout.bones)
    return tuple(
        (name, float(length), float(spread))
        for name, length, spread in zip(names, measures.bone_length, measures.bone_spread, strict=True)
    )


def _remarks(store: Store) -> tuple[str, ...]:
    names = ", ".join(flag.name for flag in quality.FLAGS if flag.bit in BY_JOINTS)
    remarks = [f"{names}: as flagged by the build, from the recordings"]
    if as_recorded(store):
        remarks[0] += "; tested again here, because the store has the joints as recorded (bodies may be left out)"
    else:
        remarks[0] += f"; not tested again, because the preprocessing {store.info.preprocessing} has changed the joints"
    if shipped_dataset(store) is None:
        remarks.append(
            f"label: as flagged by the build; `{store.info.dataset}` does not ship, so names are not compared"
        )
    if store.info.left_out:
        remarks.append(f"{len(store.info.left_out)} bad files were left out of the build; `fsprep info` lists them")
    return tuple(remarks)


def table(report: Report) -> list[tuple[str, str, str, str, str]]:
    """Rows (name, count, share, meaning, first names) of all findings."""
    rows = []
    for finding in (*report.flags, *report.others):
        share = f"{len(finding.clips) / report.clips:.2%}" if finding in report.flags else ""
        rows.append((finding.name, f"{len(finding.clips):,}", share, finding.meaning, _first(finding.clips)))
    return rows


def as_text(report: Report) -> str:
    """The report as lines of text."""
    counts = [count for _, count in report.classes if count]
    lines = [
        report.path,
        f"  {report.dataset}, preprocessing {report.preprocessing}: {report.clips:,} clips, {report.frames:,} frames",
        f"  clips of {span(report.lengths, 'frame')}, median {int(np.median(report.lengths or [0]))}; "
        f"{len(counts)} classes of {span(counts, 'clip')}",
        f"  {report.flagged:,} clips with a flag" if report.flags else "  no clip with a flag",
        "",
    ]
    for name, count, share, meaning, first in table(report):
        lines += [f"  {name:<14} {count:>7} {share:>8}  {meaning}", f"  {'':<14} {'':>7} {'':>8}  {first}"]
    return "\n".join(plain(line) for line in (*lines, *(f"  {remark}." for remark in report.remarks)))


def as_markdown(report: Report, figures: Sequence[tuple[str, str]]) -> str:
    """The report as Markdown; `figures` are (caption, file name) of images in the same folder."""
    lines = [
        f"# Check of {markdown(report.dataset)}, preprocessing {markdown(report.preprocessing)}",
        "",
        f"{markdown(report.path)}: {report.clips:,} clips, {report.frames:,} frames, digest `{report.digest}`.",
        f"{report.flagged:,} clips have a flag.",
        "",
        "| finding | clips | share | meaning | first names |",
        "|---|---:|---:|---|---|",
        *("| " + " | ".join(markdown(cell) for cell in row) + " |" for row in table(report)),
        "",
        *(f"- {markdown(remark)}." for remark in report.remarks),
        "",
    ]
    for caption, file in figures:
        lines += [f"## {markdown(caption)}", "", f"![{markdown(caption)}]({file})", ""]
    return "\n".join(lines)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f", ... and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
