"""The data card of a store: what is in it, under which terms, how it was made, how to fetch and to check it."""

from __future__ import annotations

from collections.abc import Mapping

from prep.store import Store
from prep.summary import Summary, summarise

CARD = "card.md"


def card(store: Store, recipe_only: bool = False) -> str:
    """Markdown about `store`, the same for equal stores; or about its recipe alone, shared for others to rebuild."""
    facts = summarise(store)
    info = facts.info
    bodies, joints, channels = facts.shape
    rows = [
        ("data set", f"{info.title} (`{info.dataset}`{f', subset `{info.subset}`' if info.subset else ''})"),
        ("clips", f"{facts.clips:,}, of which {facts.without_frames:,} have no frame"),
        ("frames", f"{facts.frames:,} at {info.fps:g} a second"),
        ("one frame", f"{bodies} bodies, {joints} joints ({info.layout.name}), {channels} channels, {info.unit}"),
        ("size", f"{facts.bytes / 1e6:,.1f} MB in {len(store.files):,} files, format {info.format}"),
        ("made from", f"`{info.form}`{_options(info.options)}, source digest `{info.source_digest}`"),
        ("prepared by", f"recipe `{info.recipe}`, version {info.recipe_version} ({info.software})"),
        ("digest", f"`{facts.digest}`"),
    ]
    text = [f"# {info.title}, prepared by {info.recipe}", "", "| | |", "|---|---|"]
    text += [f"| {name} | {value} |" for name, value in rows]
    text += ["", "## Terms", "", info.licence.strip(), ""]
    text += [] if info.redistribution else ["These terms forbid handing the data on.", ""]
    text += ["## Cite", "", info.citation.strip(), ""]
    text += ["## Not verified", "", info.unverified.strip(), ""] if info.unverified else []
    text += ["## Fetch and check", "", *(_REBUILD if recipe_only else _FETCH), ""]
    return "\n".join(text + _left_out(facts) + _classes(facts)) + "\n"


_FETCH = (
    "    fsprep pull URL --out STORE    # every file is checked against the sha256 in manifest.json",
    "    fsprep verify STORE            # every array is checked against its own digest",
    "    fszoo train RECIPE --store URL # or train from where it lies, without a copy",
)
_REBUILD = (
    "The store itself is not here. Who holds the raw files under these terms makes it again, to the bit:",
    "",
    "    fsprep rebuild URL --raw FOLDER_OF_RAW_FILES --out STORE",
)


def _options(options: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name}={value}" for name, value in options.items())
    return f" with {pairs}" if pairs else ""


def _left_out(facts: Summary) -> list[str]:
    rows = [f"- {name}: {reason}" for name, reason in facts.info.left_out]
    return ["## Left out", "", *rows, ""] if rows else []


def _classes(facts: Summary) -> list[str]:
    return ["## Clips per class", "", *(f"- {name}: {count:,}" for name, count in facts.clips_per_class)]
