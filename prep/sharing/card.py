"""The data card of a store: what is in it, under which terms, how it was made, how to fetch and to check it."""

from __future__ import annotations

from collections.abc import Mapping

from prep.curate.summary import Summary, Vectors, summarise
from prep.store.manifest import EMBEDDINGS
from prep.store.read import Store

CARD = "card.md"


def card(store: Store, recipe_only: bool = False) -> str:
    """Markdown about `store`, the same for equal stores; or about its recipe alone, shared for others to rebuild.

    A recipe makes no embeddings, so that card names none.
    """
    facts = summarise(store)
    sizes = [
        held.bytes for name, held in store.files.items() if not (recipe_only and name.startswith(f"{EMBEDDINGS}/"))
    ]
    info = facts.info
    bodies, joints, channels = facts.shape
    rows = [
        ("data set", f"{info.title} (`{info.dataset}`{f', subset `{info.subset}`' if info.subset else ''})"),
        ("clips", f"{facts.clips:,}, of which {facts.without_frames:,} have no frame"),
        ("frames", f"{facts.frames:,} at {info.fps:g} a second"),
        ("one frame", f"{bodies} bodies, {joints} joints ({info.layout.name}), {channels} channels, {info.unit}"),
        ("size", f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes):,} files, format {info.format}"),
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
    text += [] if recipe_only else _embeddings(facts)
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


def _embeddings(facts: Summary) -> list[str]:
    rows = [_vectors(each, facts.clips) for each in facts.embeddings]
    what = "Vectors of a frozen encoder, added after the build: of the paired videos, and of the names of the classes."
    return ["## Embeddings", "", what, "", *rows, ""] if rows else []


def _vectors(held: Vectors, clips: int) -> str:
    parts = [f"{held.encoder}, {held.width} numbers each"]
    parts += [f"weights {held.named or 'not named'}, digest `{held.weights or 'not known'}`"]
    parts += ["RANDOM weights: the vectors mean nothing"] if held.random else []
    if (video := held.video) is not None:
        how = [f"{video.frames} frames" * bool(video.frames), f"crop {video.crop}" * bool(video.crop), video.dtype]
        parts += [f"videos of {held.clips:,} of {clips:,} clips ({', '.join(filter(None, how))})"]
    if (text := held.text) is not None:
        said = " / ".join(f'"{prompt}"' for prompt in text.prompts[:3]) + " / ..." * (len(text.prompts) > 3)
        parts += [f"{held.classes:,} classes" + (f" (prompt {said})" if said else "")]
    return f"- `{held.name}`: {'; '.join(parts)}"


def _left_out(facts: Summary) -> list[str]:
    rows = [f"- {name}: {reason}" for name, reason in facts.info.left_out]
    return ["## Left out", "", *rows, ""] if rows else []


def _classes(facts: Summary) -> list[str]:
    return ["## Clips per class", "", *(f"- {name}: {count:,}" for name, count in facts.clips_per_class)]
