"""fsprep embed-text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cli import options
from cli.prep._embed import model, options_of_encoders, the_store
from manifests.facts import custom_prompts
from manifests.facts import prompts as prompts_of

if TYPE_CHECKING:
    from prep.embedding.job import Stored
    from prep.encoders._encoder import Precision


@click.command("embed-text")
@options.store_path
@options_of_encoders
@click.option("--prompts", default="", help="A set of sentences: bare, person, actionclip [default: the encoder's].")
@click.option("--prompt", "own", multiple=True, metavar="SENTENCE", help="One with {} for the class name; several.")
@options.device
@options.as_json
@options.plain_errors
def command(
    store: str | None,
    encoder: str,
    weights: str,
    name: str,
    precision: Precision,
    stored: Stored,
    replace: bool,
    prompts: str,
    own: tuple[str, ...],
    device: str,
    json_: bool,
) -> None:
    """Embed the class names of a store, and keep the vectors in it; those of several sentences are averaged."""
    from prep.embedding.job import TextJob
    from prep.embedding.texts import embed_texts

    if prompts and own:
        raise click.UsageError("--prompts names a set, --prompt gives sentences: take one of them.")
    opened = the_store(store)
    loaded = model(encoder, weights, device, precision)
    said = custom_prompts(own) if own else prompts_of(prompts or loaded.facts.prompts)
    job = TextJob(opened, loaded, said.templates, name or loaded.facts.name, stored, replace)
    result = embed_texts(job)
    text = f"{result.store}: {result.name}: {result.classes} class names as {_quoted(result.prompts)}"
    text += "" if result.fresh else "\n  They were there already."
    options.emit(json_, asdict(result), f"{text}\n  digest {result.digest}")


def _quoted(prompts: tuple[str, ...]) -> str:
    first = f'"{prompts[0]}"'
    return first if len(prompts) == 1 else f"{first} and {len(prompts) - 1} more"
