"""Class names to vectors in a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prep.embedding.job import TextJob, as_stored
from prep.encoders._encoder import Encoder
from prep.store.embedding_key import EmbeddingPart, check_same, check_together
from prep.store.embeddings import open_embedding
from prep.store.keep_embedding import check_name, keep_texts, locked_store


@dataclass(frozen=True)
class TextResult:
    """The outcome of embedding class names; `fresh` is False if the store had these vectors already."""

    store: str
    name: str
    digest: str
    classes: int
    prompts: tuple[str, ...]
    fresh: bool


def embed_texts(job: TextJob) -> TextResult:
    """Embed every class name of the store, unless it has these vectors already.

    Raises KeyMismatch when it has other ones under this name, or videos of another encoder; EncoderError.
    """
    check_name(job.name)
    with locked_store(job.store) as (store, _):
        job = replace(job, store=store)
        fresh = not _is_embedded(job)
        if fresh:
            vectors = mean_over_prompts(job.loaded.encoder, store.info.classes, job.prompts)
            store = keep_texts(store, job.name, as_stored(vectors, job.stored), job.metadata())
    digest = store.manifest.embedded[str(EmbeddingPart(job.name, "text"))].digest
    return TextResult(store.path, job.name, digest, len(store.info.classes), job.prompts, fresh)


def mean_over_prompts(encoder: Encoder, classes: Sequence[str], prompts: Sequence[str]) -> NDArray[np.float32]:
    """(classes, D): for each class the mean of the vectors of its sentences, one for each prompt."""
    sentences = [prompt.replace("{}", name) for name in classes for prompt in prompts]
    return encoder.texts(sentences).reshape(len(classes), len(prompts), -1).mean(axis=1)


def _is_embedded(job: TextJob) -> bool:
    """Whether the store has exactly these vectors. Raises KeyMismatch if it has other ones under this name."""
    if job.name not in job.store.embeddings:
        return False
    embedding, where = open_embedding(job.store, job.name), f"{job.store.path}: class names of `{job.name}`"
    if embedding.video_metadata:
        check_together(embedding.video_metadata.key, job.key, where)
    if embedding.text_metadata is None or job.replace:
        return False
    check_same(embedding.text_metadata.key, job.key, where)
    return True
