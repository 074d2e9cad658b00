"""The embeddings of several stores as those of their merged one: a vector goes with its clip.

What stands under one name must have been made in one way: the same encoder, weights, frames, crop and so on. A name
under which it was not is left out of the merged store, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from prep.errors import PrepError
from prep.store.embedding_key import KeyMismatch, TextMetadata, VideoMetadata, check_same, check_together
from prep.store.embeddings import Embedding, open_embedding
from prep.store.info import software
from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.read import Store

Videos = Sequence[tuple[Embedding, VideoMetadata]]
Texts = Sequence[tuple[Embedding, TextMetadata]]


def unite(stores: Sequence[Store], merged: Store) -> Store:
    """Write into `merged` the embeddings on which `stores` agree, and open it anew. Raises StoreError.

    Of a clip that several have embedded, the vector of the first is kept.
    """
    for name in sorted(_names(stores) - left_out(stores).keys()):
        videos, texts = _held(stores, name)
        if videos:
            merged = _keep(videos, merged)
        if texts:
            merged = keep_texts(merged, name, texts[0][0].text, texts[0][1])
    return merged


def left_out(stores: Sequence[Store]) -> Mapping[str, str]:
    """The names under which stores hold embeddings that do not fit together, and why not."""
    left = {}
    for name in sorted(_names(stores)):
        try:
            _check(*_held(stores, name))
        except PrepError as error:
            left[name] = str(error)
    return left


def _names(stores: Sequence[Store]) -> set[str]:
    return {name for store in stores for name in store.embeddings}


def _held(stores: Sequence[Store], name: str) -> tuple[Videos, Texts]:
    """What each store holds under a name, of videos and of class names. Raises PrepError."""
    found = [open_embedding(store, name) for store in stores if name in store.embeddings]
    videos = [(held, held.video_metadata) for held in found if held.video_metadata]
    return videos, [(held, held.text_metadata) for held in found if held.text_metadata]


def _check(videos: Videos, texts: Texts) -> None:
    """Raise KeyMismatch unless all could stand in one store under one name."""
    for held, about in videos[1:]:
        check_same(videos[0][1].key, about.key, _beside(held, videos[0][0]))
        if held.width != videos[0][0].width:
            raise KeyMismatch(f"{_beside(held, videos[0][0])}: vectors of {held.width} and {videos[0][0].width}.")
    for held, told in texts[1:]:
        check_same(texts[0][1].key, told.key, _beside(held, texts[0][0]))
    if videos and texts:
        check_together(videos[0][1].key, texts[0][1].key, _beside(videos[0][0], texts[0][0]))


def _beside(held: Embedding, other: Embedding) -> str:
    return f"`{held.name}` of {other.store.path}, there, and of {held.store.path}, here"


def _keep(videos: Videos, merged: Store) -> Store:
    """The vectors of all stores into the merged one."""
    first, about = videos[0]
    row = {clip: number for number, clip in enumerate(merged.names)}
    vectors = np.zeros((len(merged), first.width), first.video.dtype)
    done, frames = np.zeros(len(merged), np.bool_), np.full(len(merged), -1, np.int32)
    for held, _ in reversed(videos):  # the first has the last word
        rows, counted = np.array([row[clip] for clip in held.store.names]), held.frames >= 0
        vectors[rows[held.done]], done[rows[held.done]] = held.video[held.done], True
        frames[rows[counted]] = held.frames[counted]
    bad = {(clip, why) for _, each in videos for clip, why in each.bad if clip not in row or not done[row[clip]]}
    notes = {note for _, each in videos for note in each.notes}
    told = replace(about, software=software(), bad=tuple(sorted(bad)), notes=tuple(sorted(notes)))
    return keep_videos(merged, first.name, vectors, done, frames, told)
