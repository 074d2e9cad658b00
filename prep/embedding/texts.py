"""Class names to vectors in a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.embedding.job import TextJob, stored
from prep.encoders._encoder import Encoder
from prep.files import disk_errors, locked
from prep.store.embedding_key import check_same, check_together
from prep.store.embeddings import embedded
from prep.store.keep_embedding import check_name, keep_texts, working


@dataclass(frozen=True)
class TextResult:
    """What an embedding of class names came to; `fresh` is whether it was made now."""

    store: str
    name: str
    digest: str
    classes: int
    prompts: tuple[str, ...]
    fresh: bool


def embed_texts(job: TextJob) -> TextResult:
    """Embed every class name of the store, unless it has them already.

    Raises KeyMismatch when it has others under the name, or videos of another encoder; EncoderError.
    """
    check_name(job.name)
    beside, store = working(job.store), job.store
    with locked(beside), disk_errors(beside):
        fresh = not _there(job)
        if fresh:
            vectors = averaged(job.model.encoder, store.info.classes, job.prompts)
            store = keep_texts(store, job.name, stored(vectors, job.stored), job.about())
    digest = store.manifest.embedded[f"{job.name}/text"].digest
    return TextResult(store.path, job.name, digest, len(store.info.classes), job.prompts, fresh)


def averaged(encoder: Encoder, classes: Sequence[str], prompts: Sequence[str]) -> NDArray[np.float32]:
    """(classes, D): the mean over `prompts` of the vectors of their sentences about each class."""
    sentences = [prompt.replace("{}", name) for name in classes for prompt in prompts]
    return encoder.texts(sentences).reshape(len(classes), len(prompts), -1).mean(axis=1)


def _there(job: TextJob) -> bool:
    """Whether the store holds just this already. Raises KeyMismatch where it holds something else."""
    if not any(unit.startswith(f"{job.name}/") for unit in job.store.manifest.embedded):
        return False
    held, where = embedded(job.store, job.name), f"{job.store.path}: class names of `{job.name}`"
    if held.about_video:
        check_together(held.about_video.key, job.key, where)
    if held.about_text and not job.replace:
        check_same(held.about_text.key, job.key, where)
        return True
    return False
