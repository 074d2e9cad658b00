"""What several commands say of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prep.curate.summary import Summary, Vectors

RANDOM = ", RANDOM weights: its vectors mean nothing"


def summary(path: Path | str) -> Summary:
    """Open and count."""
    from prep.curate.summary import summarise
    from prep.store.read import open_store

    return summarise(open_store(path))


def told(facts: Summary) -> str:
    """A summary as text."""
    counts = [count for _, count in facts.clips_per_class]
    info, subset = facts.info, f" {facts.info.subset}" if facts.info.subset else ""
    lines = [
        facts.path,
        f"  {info.dataset}{subset} from {info.form} prepared by {info.recipe} v{info.recipe_version}, "
        f"{facts.bytes / 1e6:,.1f} MB",
        f"  {facts.clips:,} clips, {facts.frames:,} frames of (M, V, C) = {facts.shape}",
        f"  {len(counts)} classes of {min(counts, default=0)} to {max(counts, default=0)} clips",
        f"  clips with two or more bodies: {facts.several_bodies:,}; without frames: {facts.without_frames:,}",
        f"  digest {facts.digest}",
    ]
    lines += [f"  embedding {line(each, facts.clips)}" for each in facts.embeddings]
    lines += [f"  not verified: {info.unverified}"] if info.unverified else []
    lines += [f"  left out: {name}: {reason}" for name, reason in info.left_out[:20]]
    lines += [f"  note: {name}: {remark}" for name, remark in info.notes[:20]]
    lines += [f"  ... and {len(info.notes) - 20} more notes"] if len(info.notes) > 20 else []
    return "\n".join(lines)


def line(held: Vectors, clips: int) -> str:
    """An embedding in one line."""
    parts = [f"{held.clips:,} of {clips:,} clips"] if held.video else []
    parts += [f"{held.classes:,} classes"] if held.text else []
    weights = f"weights {held.weights[:12]}" if held.weights else "weights not known"
    return f"`{held.name}`: {held.encoder}, D = {held.width}, {', '.join(parts)}, {weights}" + RANDOM * held.random
