"""Fetch a store from a folder or URL: file by file, resumable, several at once, then verified.

`manifest.json` lists every file (bytes, sha256) and is written last, so an interrupted pull leaves no store, and the
same call continues it. The sums of files say that they arrived as sent; only `verify`, which recomputes the digests of
the arrays, says that they are the store of this digest.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from prep.files import atomic_write, disk_errors, flush, locked, publish, remove
from prep.progress import Work
from prep.sharing.card import CARD, card
from prep.sharing.pull_embeddings import pull_embeddings
from prep.sharing.transfer import Report, ShareError, check_space, fetch, forged, in_parallel, verifying
from prep.storage.address import storage_at
from prep.storage.storage import Storage
from prep.store.embedding_key import KeyMismatch
from prep.store.info import read_info
from prep.store.manifest import MANIFEST, FileEntry, Manifest, StoreError
from prep.store.read import open_store

JOBS = 4


def pull(source: str, out: Path, jobs: int = JOBS, whole_files: bool = False) -> Work[bool]:
    """Fetch the store at a path or URL to the folder `out`. Steps count bytes.

    Files are collected in `<out>.pulling/`, interrupted files are resumed, and the complete folder is renamed. With
    `whole_files` no part of a file is requested, for servers that ignore ranges; interrupted files start again. If
    `out` is a store of the same clips, the embeddings that it lacks are added. Returns False if nothing was missing.

    Raises ShareError for a file that is damaged there, for arrays that do not give the store's digest, for a full disk,
    and if something else is at `out`; StorageError if the storage fails, StoreError if there is no store.
    """
    storage = storage_at(source)
    manifest, _ = read_info(storage)
    _check_files(storage, manifest)
    working = out.with_name(f"{out.name}.pulling")
    if working.exists() or not out.exists():
        with disk_errors(out), locked(working):
            if not out.exists():
                if not whole_files:
                    storage.check_ranges(MANIFEST)
                yield from _fetch_store(storage, manifest, working / "store", jobs, not whole_files)
                publish(working / "store", out)
                return True
            remove(working / "store")
    return (yield from pull_embeddings(storage, manifest, out, jobs, not whole_files))


def _fetch_store(storage: Storage, manifest: Manifest, folder: Path, jobs: int, resume: bool) -> Work[None]:
    folder.mkdir(exist_ok=True)
    check_space(folder, manifest.files)

    def work(item: tuple[str, FileEntry], report: Report) -> None:
        fetch(storage, *item, folder, report, resume)

    total = sum(entry.bytes for entry in manifest.files.values())
    yield from in_parallel(work, list(manifest.files.items()), jobs, total)
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in manifest.files:  # of a store that was fetched before
            file.unlink()
    atomic_write(folder / MANIFEST, storage.read(MANIFEST))
    store = open_store(folder)
    if store.manifest != manifest:
        (folder / MANIFEST).unlink()
        raise ShareError(f"{storage}: was replaced by another store meanwhile. Run the same command again.")
    try:
        yield from verifying(store)
    except (StoreError, KeyMismatch) as error:
        remove(folder)
        raise forged(storage, folder, error) from error
    atomic_write(folder / CARD, card(store))
    flush(folder)


def _check_files(storage: Storage, manifest: Manifest) -> None:
    """Raise StoreError if a listed file lies inside another one. Manifest has checked the names."""
    for name in manifest.files:
        if {str(folder) for folder in PurePosixPath(name).parents} & manifest.files.keys():
            raise StoreError(f"{storage}: {MANIFEST} lists {name!r}, which lies inside another file. Do not trust it.")
