"""Embeddings that a place has and a store here lacks: they are fetched alone, and the clips stay as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from prep.files import disk_errors, locked
from prep.sharing.card import CARD, card
from prep.sharing.transfer import Moved, ShareError, Tell, check_room, fetch, side_by_side
from prep.storage.storage import Storage
from prep.store.embedding_key import EmbeddingPart
from prep.store.keep_embedding import NAME, remove_unlisted, working_folder
from prep.store.manifest import EMBEDDINGS, MANIFEST, EmbeddingEntry, FileEntry, Manifest, StoreError, enter_embeddings
from prep.store.read import Store, open_store

FETCHED = ".pulled"  # no name of an embedding begins so


def add_embeddings(place: Storage, mark: Manifest, out: Path, jobs: int, resume: bool) -> Iterator[Moved]:
    """Fetch into the store `out` the embeddings that `mark`, that of `place`, has beyond it. The same call continues.

    Raises ShareError where `out` is no store of the same clips, or holds another embedding of one name.
    """
    if not _lacking(place, mark, _same_clips(place, mark, out)):
        return
    if resume:
        place.check_ranges(MANIFEST)
    aside = working_folder(out)
    with locked(aside), disk_errors(aside):
        # Looked at again: before the lock somebody else may have written here.
        here = _same_clips(place, mark, out)
        lacking = _lacking(place, mark, here)
        files = {name: held for name, held in mark.files.items() if any(_belongs(mark, name, key) for key in lacking)}
        fetched = aside / FETCHED
        fetched.mkdir(exist_ok=True)
        check_room(fetched, files)

        def work(item: tuple[str, FileEntry], tell: Tell) -> None:
            fetch(place, *item, fetched, tell, resume)

        yield from side_by_side(work, list(files.items()), jobs, sum(held.bytes for held in files.values()))
        remove_unlisted(out, here.manifest)
        for entry in lacking.values():
            _move(fetched, out, entry, mark)
        enter_embeddings(out, here.manifest, lacking, {})
        (out / CARD).write_text(card(open_store(out)), encoding="utf-8")
        shutil.rmtree(fetched)


def _same_clips(place: Storage, mark: Manifest, out: Path) -> Store:
    """The store at `out`. Raises ShareError unless it is one of the clips at `place`."""
    try:
        here = open_store(out)
    except StoreError:
        here = None
    if here is None or here.digest != mark.digest:
        raise ShareError(f"{out}: is there already, and is not the store of {place}. Choose another --out, or move it.")
    return here


def _lacking(place: Storage, mark: Manifest, here: Store) -> dict[str, EmbeddingEntry]:
    """The embeddings to fetch. Raises ShareError where one name would hold two, StoreError for one that is none."""
    held = here.manifest.embedded
    lacking = {unit: entry for unit, entry in mark.embedded.items() if held.get(unit) != entry}
    for key, entry in lacking.items():
        part = EmbeddingPart.parse(key)
        name, arrays = part.name, set(part.arrays)
        described = {*_groups(name), *(f"{mark.folder_of(array)}/zarr.json" for array in arrays)}
        if not (arrays and NAME.fullmatch(name)) or set(entry.arrays) != arrays or not described <= mark.files.keys():
            raise StoreError(f"{place}: its embedding {key!r} is none of a store. Do not trust this place.")
        # What is here alone under the name may have gone through other weights.
        if any(mark.embedded.get(str(mine)) != held[str(mine)] for mine in here.embeddings.get(name, ())):
            raise ShareError(f"{here.path}: holds another embedding `{name}` than {place}. Choose another --out.")
    return lacking


def _belongs(mark: Manifest, file: str, key: str) -> bool:
    """Whether a file is one of an embedding's, or says of a folder above it that it is a group."""
    part = EmbeddingPart.parse(key)
    return file in _groups(part.name) or file.startswith(tuple(f"{mark.folder_of(array)}/" for array in part.arrays))


def _groups(name: str) -> tuple[str, str]:
    return f"{EMBEDDINGS}/zarr.json", f"{EMBEDDINGS}/{name}/zarr.json"


def _move(fetched: Path, out: Path, entry: EmbeddingEntry, mark: Manifest) -> None:
    """The arrays of an embedding into the store, where the mark does not know them yet."""
    for array in entry.arrays:
        target = out / array
        target.parent.mkdir(parents=True, exist_ok=True)
        (fetched / mark.folder_of(array)).rename(target)
        for group in _groups(target.parent.name):
            if not (out / group).exists():
                shutil.copyfile(fetched / group, out / group)
