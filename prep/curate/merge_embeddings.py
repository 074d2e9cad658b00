"""The embeddings of a merged store: every clip keeps its vector.

Embeddings with the same name are merged if all stores used the same settings: encoder, weights, frames, crop and so on.
A name under which the settings differ is left out of the merged store, and reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from prep.errors import PrepError
from prep.store.embedding_key import KeyMismatch, TextMetadata, VideoMetadata, check_same, check_together
from prep.store.embeddings import Embedding, open_embedding
from prep.store.info import software
from prep.store.keep_embedding import NewPart, are_kept, keep, text_part, video_part
from prep.store.read import Store

Videos = Sequence[tuple[Embedding, VideoMetadata]]
Texts = Sequence[tuple[Embedding, TextMetadata]]


def merge_embeddings(stores: Sequence[Store], merged: Store) -> Store:
    """Write the embeddings on which `stores` agree into `merged`, and open it again. Raises StoreError.

    If several stores have a vector for a clip, that of the first store is kept.
    """
    for name, parts in _merged_parts(stores, merged):
        merged = keep(merged, name, *parts)
    return merged


def are_merged(stores: Sequence[Store], merged: Store) -> bool:
    """Whether `merged` holds the embeddings that `merge_embeddings` would write, by their digests."""
    return all(are_kept(merged, name, *parts) for name, parts in _merged_parts(stores, merged))


def left_out(stores: Sequence[Store]) -> Mapping[str, str]:
    """The names under which the embeddings of `stores` do not fit together, with the reason."""
    reasons = {}
    for name in sorted(_names(stores)):
        try:
            _check(*_embeddings(stores, name))
        except PrepError as error:
            reasons[name] = str(error)
    return reasons


def _names(stores: Sequence[Store]) -> set[str]:
    return {name for store in stores for name in store.embeddings}


def _merged_parts(stores: Sequence[Store], merged: Store) -> Iterator[tuple[str, list[NewPart]]]:
    for name in sorted(_names(stores) - left_out(stores).keys()):
        videos, texts = _embeddings(stores, name)
        parts = [_merged_videos(videos, merged)] if videos else []
        parts += [text_part(texts[0][0].text, texts[0][1])] if texts else []
        yield name, parts


def _embeddings(stores: Sequence[Store], name: str) -> tuple[Videos, Texts]:
    """The video and text parts of all stores under a name. Raises PrepError."""
    embeddings = [open_embedding(store, name) for store in stores if name in store.embeddings]
    videos = [(embedding, embedding.video_metadata) for embedding in embeddings if embedding.video_metadata]
    return videos, [(embedding, embedding.text_metadata) for embedding in embeddings if embedding.text_metadata]


def _check(videos: Videos, texts: Texts) -> None:
    """Raise KeyMismatch unless all parts may stand in one store under one name."""
    for embedding, metadata in videos[1:]:
        first = videos[0][0]
        check_same(videos[0][1].key, metadata.key, _both(embedding, first))
        if embedding.width != first.width:
            raise KeyMismatch(f"{_both(embedding, first)}: vectors of length {embedding.width} and {first.width}.")
    for embedding, text_metadata in texts[1:]:
        check_same(texts[0][1].key, text_metadata.key, _both(embedding, texts[0][0]))
    if videos and texts:
        check_together(videos[0][1].key, texts[0][1].key, _both(videos[0][0], texts[0][0]))


def _both(here: Embedding, there: Embedding) -> str:
    return f"`{here.name}` of {there.store.path}, there, and of {here.store.path}, here"


def _merged_videos(videos: Videos, merged: Store) -> NewPart:
    """The vectors of all stores in the order of the merged clips."""
    first, metadata = videos[0]
    rows = {clip: row for row, clip in enumerate(merged.names)}
    vectors = np.zeros((len(merged), first.width), first.video.dtype)
    done, frames = np.zeros(len(merged), np.bool_), np.full(len(merged), -1, np.int32)
    for embedding, _ in reversed(videos):  # so that the first store overwrites the others
        target, counted = np.array([rows[clip] for clip in embedding.store.names]), embedding.frames >= 0
        vectors[target[embedding.done]], done[target[embedding.done]] = embedding.video[embedding.done], True
        frames[target[counted]] = embedding.frames[counted]
    bad = {row for _, other in videos for row in other.bad if row[0] not in rows or not done[rows[row[0]]]}
    notes = {note for _, other in videos for note in other.notes}
    united = replace(metadata, software=software(), bad=tuple(sorted(bad)), notes=tuple(sorted(notes)))
    return video_part(vectors, done, frames, united)
