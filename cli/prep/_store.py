"""Summaries of stores, as several commands print them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from manifests.digest import short
from manifests.text import plain

if TYPE_CHECKING:
    from prep.curate.summary import Summary, Vectors

RANDOM = ", RANDOM weights: its vectors mean nothing"
SHOWN = 20  # left out files, and notes


def summary(path: Path | str) -> Summary:
    """Open a store and count what it holds."""
    from prep.curate.summary import summarise
    from prep.store.read import open_store

    return summarise(open_store(path))


def summary_text(facts: Summary) -> str:
    """A summary as lines for the terminal."""
    counts = [count for _, count in facts.clips_per_class]
    info, subset = facts.info, f" {facts.info.subset}" if facts.info.subset else ""
    lines = [
        facts.path,
        f"  {info.dataset}{subset} from {info.file_format}, "
        f"preprocessing {info.preprocessing} v{info.preprocessing_version}, "
        f"{facts.bytes / 1e6:,.1f} MB",
        f"  {facts.clips:,} clips, {facts.frames:,} frames of (M, V, C) = {facts.shape}",
        f"  {len(counts)} classes of {min(counts, default=0)} to {max(counts, default=0)} clips",
        f"  clips with two or more bodies: {facts.several_bodies:,}; without frames: {facts.without_frames:,}",
        f"  digest {facts.digest}",
    ]
    lines += [f"  embedding {embedding_text(vectors, facts.clips)}" for vectors in facts.embeddings]
    lines += [f"  not verified: {info.unverified}"] if info.unverified else []
    lines += [f"  left out: {name}: {reason}" for name, reason in info.left_out[:SHOWN]]
    lines += [f"  note: {name}: {remark}" for name, remark in info.notes[:SHOWN]]
    lines += [f"  ... and {len(info.notes) - SHOWN} more notes"] if len(info.notes) > SHOWN else []
    return "\n".join(map(plain, lines))


def embedding_text(vectors: Vectors, clips: int) -> str:
    """An embedding in one line."""
    parts = [f"{vectors.clips:,} of {clips:,} clips"] if vectors.video else []
    parts += [f"{vectors.classes:,} classes"] if vectors.text else []
    weights = f"weights {short(vectors.weights)}" if vectors.weights else "weights not known"
    return (
        f"`{vectors.name}`: {vectors.encoder}, D = {vectors.width}, {', '.join(parts)}, {weights}"
        + RANDOM * vectors.random
    )
