"""An embedding into a store that is finished, and out of it: arrays first, the store's mark last."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.store.embedding_key import AboutText, AboutVideo
from prep.store.manifest import EMBEDDINGS, EmbeddingEntry, array_digest, embedding_digest, enter_embedding
from prep.store.read import Store, open_store
from prep.store.write import as_json, write_array

VIDEO, DONE, FRAMES, TEXT = "video", "done", "frames", "text"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def local(store: Store) -> Path:
    """The folder of a store on this machine. Raises PrepError for one elsewhere."""
    folder = store.place.handle
    if not isinstance(folder, Path):
        raise PrepError(f"{store.path}: is not on this machine. Fetch it first: `fsprep pull {store.path}`.")
    return folder


def working(store: Store) -> Path:
    """The folder beside a store in which what belongs into it is made. Raises PrepError as `local` does."""
    return beside(local(store))


def beside(folder: Path) -> Path:
    """As `working`, of the folder of a store."""
    return folder.with_name(f"{folder.name}.embedding")


def check_name(name: str) -> None:
    """Raise PrepError unless a name can be that of a folder, and of one in a URL."""
    if not NAME.fullmatch(name):
        raise PrepError(f"--name {name}: is not 1 to 64 of a-z, 0-9, - and _, the first a letter or digit.")


def keep_videos(
    store: Store,
    name: str,
    vectors: NDArray[Any],
    done: NDArray[np.bool_],
    frames: NDArray[np.int32],
    about: AboutVideo,
) -> Store:
    """Write (clips, D), which clips have a vector, and how many frames their videos have (-1: unknown).

    Takes the place of what is there. Returns the store opened anew.
    """
    return _keep(store, name, VIDEO, {VIDEO: vectors, DONE: done, FRAMES: frames}, about)


def keep_texts(store: Store, name: str, vectors: NDArray[Any], about: AboutText) -> Store:
    """Write (classes, D) in place of what is there. Returns the store opened anew."""
    return _keep(store, name, TEXT, {TEXT: vectors}, about)


def _keep(
    store: Store, name: str, kind: str, arrays: Mapping[str, NDArray[Any]], about: AboutVideo | AboutText
) -> Store:
    check_name(name)
    folder, unit = local(store), f"{name}/{kind}"
    # Out of the mark first: whatever is cut short from here on leaves a whole store without this embedding.
    mark = enter_embedding(folder, store.manifest, unit, None) if unit in store.manifest.embedded else store.manifest
    digests = {}
    for array, value in arrays.items():
        path = f"{EMBEDDINGS}/{name}/{array}"
        if (folder / path).exists():
            shutil.rmtree(folder / path)
        write_array(folder, path, value, as_json(about) if array == kind else None)
        digests[path] = array_digest(value)
    entry = EmbeddingEntry(embedding_digest(as_json(about), digests, store.digest), digests)
    enter_embedding(folder, mark, unit, entry)
    return open_store(folder)
