"""Fetch the embeddings that a storage has and a store here lacks. The clips are not fetched again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from prep.curate.verify import verify_embeddings
from prep.files import atomic_write, disk_errors, locked, remove
from prep.progress import Work
from prep.sharing.card import CARD, card
from prep.sharing.transfer import Report, ShareError, check_space, fetch, forged, in_parallel
from prep.storage.storage import Storage
from prep.store.embedding_key import EmbeddingPart, KeyMismatch
from prep.store.keep_embedding import remove_unlisted, working_folder
from prep.store.manifest import EMBEDDINGS, MANIFEST, EmbeddingEntry, FileEntry, Manifest, StoreError, enter_embeddings
from prep.store.read import Store, open_store

FETCHED = ".pulled"  # no valid name of an embedding


def pull_embeddings(storage: Storage, manifest: Manifest, out: Path, jobs: int, resume: bool) -> Work[bool]:
    """Fetch into the store `out` the embeddings that it lacks of those in `manifest`, the manifest at `storage`.

    The same call continues after an interruption. Returns False if nothing was missing. Raises ShareError if `out` is
    not a store of the same clips, or holds another embedding with the same name.
    """
    working = working_folder(out)
    if not _missing(storage, manifest, _store_with_same_clips(storage, manifest, out)) and not working.exists():
        return False
    if resume:
        storage.check_ranges(MANIFEST)
    with disk_errors(out), locked(working):
        # Opened again: another command may have written to the store before the lock was taken.
        store = _store_with_same_clips(storage, manifest, out)
        missing = _missing(storage, manifest, store)
        files = {name: entry for name, entry in manifest.files.items() if _is_needed(manifest, name, missing)}
        fetched = working / FETCHED
        if not missing:  # a pull that was killed when it had entered them
            atomic_write(out / CARD, card(store))
            remove_unlisted(out, store.manifest)
            remove(fetched)
            return False
        fetched.mkdir(exist_ok=True)
        check_space(fetched, files)

        def work(item: tuple[str, FileEntry], report: Report) -> None:
            fetch(storage, *item, fetched, report, resume)

        yield from in_parallel(work, list(files.items()), jobs, sum(entry.bytes for entry in files.values()))
        remove_unlisted(out, store.manifest)
        for entry in missing.values():
            _move(fetched, out, entry, manifest)
        try:
            for _ in verify_embeddings(_with(store, missing)):
                continue
        except (StoreError, KeyMismatch) as error:
            remove_unlisted(out, store.manifest)
            remove(fetched)
            raise forged(storage, out, error) from error
        enter_embeddings(out, store.manifest, missing, {})
        atomic_write(out / CARD, card(open_store(out)))
        remove(fetched)
    return True


def _store_with_same_clips(storage: Storage, manifest: Manifest, out: Path) -> Store:
    try:
        store = open_store(out)
    except StoreError:
        store = None
    if store is None or store.digest != manifest.digest:
        raise ShareError(f"{out}: exists, and is not the store at {storage}. Choose another --out, or move it away.")
    return store


def _missing(storage: Storage, manifest: Manifest, store: Store) -> dict[str, EmbeddingEntry]:
    """The embeddings to fetch. Raises ShareError if another one has the same name."""
    present = store.manifest.embedded
    missing = {key: entry for key, entry in manifest.embedded.items() if present.get(key) != entry}
    for name in {EmbeddingPart.parse(key).name for key in missing}:
        # A part that only the store here has may come from other weights.
        if any(manifest.embedded.get(str(other)) != present[str(other)] for other in store.embeddings.get(name, ())):
            raise ShareError(f"{store.path}: holds another embedding `{name}` than {storage}. Choose another --out.")
    return missing


def _with(store: Store, missing: dict[str, EmbeddingEntry]) -> Store:
    """The store as it will be with these embeddings, whose arrays are there and not listed yet."""
    headers = {f"{array}/zarr.json" for entry in missing.values() for array in entry.arrays}
    headers |= {group for key in missing for group in _groups(EmbeddingPart.parse(key).name)}
    files = {**dict.fromkeys(headers, FileEntry(0, "")), **store.files}
    return store.with_manifest(replace(store.manifest, files=files, embedded={**store.manifest.embedded, **missing}))


def _is_needed(manifest: Manifest, file: str, missing: dict[str, EmbeddingEntry]) -> bool:
    """Whether a file belongs to one of the missing embeddings, or is the header of a group above it."""
    for part in map(EmbeddingPart.parse, missing):
        folders = tuple(f"{manifest.folder_of(array)}/" for array in part.arrays)
        if file in _groups(part.name) or file.startswith(folders):
            return True
    return False


def _groups(name: str) -> tuple[str, str]:
    return f"{EMBEDDINGS}/zarr.json", f"{EMBEDDINGS}/{name}/zarr.json"


def _move(fetched: Path, out: Path, entry: EmbeddingEntry, manifest: Manifest) -> None:
    """Move the arrays of an embedding into the store, to folders that its manifest does not list yet."""
    for array in entry.arrays:
        target = out / array
        target.parent.mkdir(parents=True, exist_ok=True)
        (fetched / manifest.folder_of(array)).rename(target)
        for group in _groups(target.parent.name):
            if not (out / group).exists():
                shutil.copyfile(fetched / group, out / group)
