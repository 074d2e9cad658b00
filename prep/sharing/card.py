"""The data card of a store: content, terms, provenance, and how to fetch and check it.

Names and texts in it may come from a stranger's store, so they are escaped: see manifests/text.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from manifests.text import markdown, plain
from prep.curate.summary import Summary, Vectors, summarise
from prep.store.manifest import EMBEDDINGS
from prep.store.read import Store

CARD = "card.md"
# What makes a heading, a list, a quotation, a rule or a table of a line in Markdown.
_BLOCK_MARKER = re.compile(r"^\s*(?:[#=+~>-]|\d+[.)])")


def card(store: Store, recipe_only: bool = False) -> str:
    """Markdown about a store, the same for equal stores; or about its recipe alone, from which others rebuild it.

    A recipe does not reproduce embeddings, so its card lists none.
    """
    facts = summarise(store)
    sizes = [
        entry.bytes for name, entry in store.files.items() if not (recipe_only and name.startswith(f"{EMBEDDINGS}/"))
    ]
    info = facts.info
    bodies, joints, channels = facts.shape
    subset = f", subset {_code(info.subset)}" if info.subset else ""
    layout, unit, fps = markdown(info.layout.name), markdown(info.unit), f"{info.fps:g}"
    rows = [
        ("dataset", f"{markdown(info.title)} ({_code(info.dataset)}{subset})"),
        ("clips", f"{facts.clips:,}, of which {facts.without_frames:,} have no frame"),
        ("frames", f"{facts.frames:,} at {fps} frames per second"),
        ("one frame", f"{bodies} bodies, {joints} joints ({layout}), {channels} channels, {unit}"),
        ("size", f"{sum(sizes) / 1e6:,.1f} MB in {len(sizes):,} files, format {info.format}"),
        ("built from", f"{_code(info.file_format)}{_options(info.options)}, source digest {_code(info.source_digest)}"),
        (
            "preprocessing",
            f"{_code(info.preprocessing)}, version {info.preprocessing_version} ({markdown(info.software)})",
        ),
        ("digest", _code(facts.digest)),
    ]
    text = [f"# {markdown(info.title)}, preprocessing {markdown(info.preprocessing)}", "", "| | |", "|---|---|"]
    text += [f"| {name} | {value} |" for name, value in rows]
    text += ["", "## Terms", "", _paragraphs(info.licence), ""]
    text += [] if info.redistribution else ["These terms forbid redistribution.", ""]
    text += ["## Cite", "", _paragraphs(info.citation), ""]
    text += ["## Not verified", "", _paragraphs(info.unverified), ""] if info.unverified else []
    text += ["## Fetch and check", "", *(_REBUILD if recipe_only else _FETCH), ""]
    text += [] if recipe_only else _embeddings(facts)
    return "\n".join(text + _left_out(facts) + _classes(facts)) + "\n"


_FETCH = (
    "    fsprep pull URL --out STORE    # checks every file against the sha256 in manifest.json",
    "    fsprep verify STORE            # checks every array against its digest",
    "    fszoo train RECIPE --store URL # or trains on the store where it is, without a copy",
)
_REBUILD = (
    "The store itself is not here. If you have the raw files under these terms, rebuild a bit-identical store:",
    "",
    "    fsprep rebuild URL --raw FOLDER_OF_RAW_FILES --out STORE",
)


def _code(text: str) -> str:
    """A code span that cannot end early, also inside a table."""
    return "`" + plain(text).replace("`", "'").replace("|", "\\|") + "`"


def _paragraphs(text: str) -> str:
    """Text of several lines in which no line starts a heading, a list or a quotation."""
    lines = (markdown(line) for line in text.strip().splitlines())
    return "\n".join(_BLOCK_MARKER.sub(_escape_last, line) for line in lines)


def _escape_last(marker: re.Match[str]) -> str:
    return f"{marker[0].lstrip()[:-1]}\\{marker[0][-1]}"


def _options(options: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name}={value}" for name, value in options.items())
    return f" with {markdown(pairs)}" if pairs else ""


def _embeddings(facts: Summary) -> list[str]:
    rows = [_format_vectors(vectors, facts.clips) for vectors in facts.embeddings]
    text = "Vectors of frozen encoders, added after the build: of paired videos and of class names."
    return ["## Embeddings", "", text, "", *rows, ""] if rows else []


def _format_vectors(vectors: Vectors, clips: int) -> str:
    weights = f"digest {_code(vectors.weights)}" if vectors.weights else "digest unknown"
    parts = [f"{markdown(vectors.encoder)}, {vectors.width} dimensions"]
    parts += [f"weights {markdown(vectors.named) or 'without a name'}, {weights}"]
    parts += ["RANDOM weights: the vectors mean nothing"] if vectors.random else []
    if (video := vectors.video) is not None:
        settings = [f"{video.frames} frames" * bool(video.frames), f"crop {video.crop}" * bool(video.crop), video.dtype]
        parts += [f"videos of {vectors.clips:,} of {clips:,} clips ({markdown(', '.join(filter(None, settings)))})"]
    if (text := vectors.text) is not None:
        prompts = " / ".join(f'"{markdown(prompt)}"' for prompt in text.prompts[:3])
        prompts += " / ..." * (len(text.prompts) > 3)
        parts += [f"{vectors.classes:,} classes" + (f" (prompt {prompts})" if prompts else "")]
    return f"- {_code(vectors.name)}: {'; '.join(parts)}"


def _left_out(facts: Summary) -> list[str]:
    rows = [f"- {markdown(name)}: {markdown(reason)}" for name, reason in facts.info.left_out]
    return ["## Left out", "", *rows, ""] if rows else []


def _classes(facts: Summary) -> list[str]:
    return ["## Clips per class", "", *(f"- {markdown(name)}: {count:,}" for name, count in facts.clips_per_class)]
