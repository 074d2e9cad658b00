"""Writing embeddings into a finished store.

New arrays are written to folders that the manifest does not list: `embeddings/<name>/<array>`, or where a former
version lies there, `embeddings/<name>/alternate/<array>`. One replacement of the manifest enters all of them, and only
then are the former arrays deleted. So a kill or a full disk leaves either the former vectors or the new ones, complete.
Callers hold the lock, see `locked_store`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.files import HOLDER, WRITING, disk_errors, locked, remove
from prep.storage.address import storage_at
from prep.store.embedding_key import EmbeddingPart, TextMetadata, VideoMetadata
from prep.store.manifest import (
    EMBEDDINGS,
    EmbeddingEntry,
    Manifest,
    StoreError,
    alternate,
    array_digest,
    embedding_digest,
    enter_embeddings,
    read_manifest,
)
from prep.store.read import Store, local, open_store
from prep.store.write import as_json, write_array

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class NewPart:
    """One part of an embedding to be written: its arrays by name, and the metadata that the vectors carry."""

    kind: str
    arrays: Mapping[str, NDArray[Any]]
    metadata: VideoMetadata | TextMetadata


def video_part(
    vectors: NDArray[Any], done: NDArray[np.bool_], frames: NDArray[np.int32], metadata: VideoMetadata
) -> NewPart:
    """Vectors of videos (clips, D), which clips have one, and how many frames their videos have (-1: unknown)."""
    return NewPart("video", {"video": vectors, "done": done, "frames": frames}, metadata)


def text_part(vectors: NDArray[Any], metadata: TextMetadata) -> NewPart:
    """Vectors of class names (classes, D)."""
    return NewPart("text", {"text": vectors}, metadata)


@contextmanager
def locked_store(store: Store) -> Iterator[tuple[Store, Path]]:
    """Hold the lock for writing embeddings; gives the store, opened again inside the lock, and the working folder.

    What another command entered since `store` was opened is in the store that this gives, not in `store`. Files that
    killed writers left in the store are cleared. Raises PrepError for a remote store, for a store that may not be
    written to, and while another command holds the lock.
    """
    folder = local(store)
    working = working_folder(folder)
    with disk_errors(working), locked(working):
        opened = open_store(folder)
        remove_unlisted(folder, opened.manifest)
        yield opened, working


def working_folder(folder: Path) -> Path:
    """The folder beside the folder of a store, whose lock every writer of embeddings holds."""
    return folder.with_name(f"{folder.name}.embedding")


def check_name(name: str) -> None:
    """Raise PrepError unless a name is valid for a folder and in a URL."""
    if not NAME.fullmatch(name):
        raise PrepError(f"--name {name}: is not 1 to 64 of a-z, 0-9, - and _, the first a letter or digit.")


def keep(store: Store, name: str, *parts: NewPart) -> Store:
    """Add the parts of one embedding to a store, all or none; they replace parts of the same kind.

    Returns the store, opened again. Raises StoreError if another store was put in its place since it was opened.
    """
    check_name(name)
    folder = local(store)
    # Not the manifest of `store`: another command may have entered an embedding since it was opened.
    manifest = read_manifest(storage_at(folder))
    if manifest.digest != store.digest:
        raise StoreError(f"{store.path}: was replaced by another store meanwhile. Run the same command again.")
    remove_unlisted(folder, manifest)
    entries, folders = {}, {}
    for part in parts:
        entry = _entry(store, name, part)
        for path, (array, values) in zip(entry.arrays, part.arrays.items(), strict=True):
            folders[path] = _free_folder(manifest, path)
            write_array(folder, folders[path], values, as_json(part.metadata) if array == part.kind else None)
        entries[str(EmbeddingPart(name, part.kind))] = entry
    remove_unlisted(folder, enter_embeddings(folder, manifest, entries, folders))
    return open_store(folder)


def are_kept(store: Store, name: str, *parts: NewPart) -> bool:
    """Whether a store holds exactly these parts under `name`, by their digests."""
    entries = {str(EmbeddingPart(name, part.kind)): _entry(store, name, part).digest for part in parts}
    embedded = store.manifest.embedded
    return entries == {key: embedded[key].digest for key in entries if key in embedded}


def _entry(store: Store, name: str, part: NewPart) -> EmbeddingEntry:
    digests = {f"{EMBEDDINGS}/{name}/{array}": array_digest(values) for array, values in part.arrays.items()}
    return EmbeddingEntry(embedding_digest(as_json(part.metadata), digests, store.digest), digests)


def keep_videos(
    store: Store,
    name: str,
    vectors: NDArray[Any],
    done: NDArray[np.bool_],
    frames: NDArray[np.int32],
    metadata: VideoMetadata,
) -> Store:
    """`keep` for vectors of videos alone."""
    return keep(store, name, video_part(vectors, done, frames, metadata))


def keep_texts(store: Store, name: str, vectors: NDArray[Any], metadata: TextMetadata) -> Store:
    """`keep` for vectors of class names alone."""
    return keep(store, name, text_part(vectors, metadata))


def remove_unlisted(folder: Path, manifest: Manifest) -> None:
    """Delete embedding files that the manifest does not list: former versions, and what killed writers left behind."""
    for pattern in (f"*{WRITING}", "*.partial"):  # ours and zarr's temporary files
        for unfinished in folder.glob(pattern):
            if unfinished.name != HOLDER:  # a push into this folder
                remove(unfinished)
    # In reverse order files come before the folders that they lie in.
    for path in sorted((folder / EMBEDDINGS).rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in manifest.files:
            path.unlink()


def _free_folder(manifest: Manifest, array: str) -> str:
    return array if f"{array}/zarr.json" not in manifest.files else alternate(array)
