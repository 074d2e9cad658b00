"""fsprep embed-text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cli import options
from cli.prep._embed import encoder_options, load_encoder, store_or_only
from manifests.facts import custom_prompts
from manifests.facts import prompts as prompts_of

if TYPE_CHECKING:
    from prep.embedding.job import StoredType
    from prep.encoders._encoder import Precision


@click.command("embed-text")
@options.store_path
@encoder_options
@click.option("--prompts", default="", help="Name of a set: bare, person, actionclip [default: the encoder's].")
@click.option(
    "--prompt",
    "templates",
    multiple=True,
    metavar="SENTENCE",
    help="Your own sentence with {} for the class name; may be repeated.",
)
@options.device
@options.as_json
@options.plain_errors
def command(
    store: str | None,
    encoder: str,
    weights: str,
    name: str,
    precision: Precision,
    stored: StoredType,
    replace: bool,
    prompts: str,
    templates: tuple[str, ...],
    device: str,
    json_: bool,
) -> None:
    """Embed the class names of a store and write the vectors into the store; those of several prompts are averaged."""
    from prep.embedding.job import TextJob
    from prep.embedding.texts import embed_texts

    if prompts and templates:
        raise click.UsageError("--prompts names a set, --prompt gives sentences: take one of them.")
    opened = store_or_only(store)
    loaded = load_encoder(encoder, weights, device, precision)
    chosen = custom_prompts(templates) if templates else prompts_of(prompts or loaded.facts.prompts)
    job = TextJob(opened, loaded, chosen.templates, name or loaded.facts.name, stored, replace)
    result = embed_texts(job)
    text = f"{result.store}: {result.name}: {result.classes} class names as {_quoted(result.prompts)}"
    text += "" if result.fresh else "\n  Nothing new to embed."
    options.emit(json_, asdict(result), f"{text}\n  digest {result.digest}")


def _quoted(prompts: tuple[str, ...]) -> str:
    first = f'"{prompts[0]}"'
    return first if len(prompts) == 1 else f"{first} and {len(prompts) - 1} more"
