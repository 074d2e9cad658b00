"""Summaries of stores, as several commands print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.digest import short
from manifests.text import counted, plain, span

if TYPE_CHECKING:
    from prep.curate.summary import Summary, Vectors

RANDOM = ", RANDOM weights: its vectors mean nothing"
SHOWN = 20  # left out files, and notes


def summary(path: Path | str) -> Summary:
    """Open a store and count what it holds."""
    from prep.curate.summary import summarise
    from prep.store.read import open_store

    return summarise(open_store(path))


def summary_text(facts: Summary, classes: bool = False) -> str:
    """A summary as lines for the terminal; with `classes`, each class with its number."""
    counts = [count for _, count in facts.clips_per_class]
    info, subset = facts.info, f" {facts.info.subset}" if facts.info.subset else ""
    lines = [
        facts.path,
        f"  {info.dataset}{subset} from {info.file_format}, "
        f"preprocessing {info.preprocessing} v{info.preprocessing_version}, "
        f"{facts.bytes / 1e6:,.1f} MB",
        f"  {facts.clips:,} clips, {facts.frames:,} frames of (M, V, C) = {facts.shape}",
        f"  {counted(len(counts), 'class', 'classes')} of {span(counts, 'clip')}; {_people(facts)}",
        f"  clips with two or more bodies: {facts.several_bodies:,}; without frames: {facts.without_frames:,}",
        f"  digest {facts.digest}",
    ]
    lines += [f"  embedding {embedding_text(vectors, facts.clips)}" for vectors in facts.embeddings]
    lines += [f"  not verified: {info.unverified}"] if info.unverified else []
    lines += [f"  left out: {name}: {reason}" for name, reason in info.left_out[:SHOWN]]
    lines += [f"  note: {name}: {remark}" for name, remark in info.notes[:SHOWN]]
    lines += [f"  ... and {len(info.notes) - SHOWN} more notes"] if len(info.notes) > SHOWN else []
    lines += class_lines(info.classes, dict(facts.clips_per_class)) if classes else []
    return "\n".join(map(plain, lines))


def class_lines(classes: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """The number and the name of each class, as a split gives them, with its clips."""
    width, digits = max(map(len, classes), default=0), len(str(len(classes)))
    return [
        f"  {label:{digits}}  {name:{width}}  {counted(counts.get(name, 0), 'clip')}"
        for label, name in enumerate(classes)
    ]


def _people(facts: Summary) -> str:
    """How many subjects and cameras there are, as far as the names of the clips say."""
    known = [(facts.subjects, "subject"), (facts.cameras, "camera")]
    unknown = " and ".join(f"{noun}s" for count, noun in known if not count)
    parts = [counted(count, noun) for count, noun in known if count]
    return ", ".join([*parts, *([f"{unknown} not known"] if unknown else [])])


def embedding_text(vectors: Vectors, clips: int) -> str:
    """An embedding in one line."""
    parts = [f"{vectors.clips:,} of {clips:,} clips"] if vectors.video else []
    parts += [f"{vectors.classes:,} classes"] if vectors.text else []
    weights = f"weights {short(vectors.weights)}" if vectors.weights else "weights not known"
    return (
        f"`{vectors.name}`: {vectors.encoder}, D = {vectors.width}, {', '.join(parts)}, {weights}"
        + RANDOM * vectors.random
    )
