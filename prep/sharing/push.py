"""Send a store to a folder or URL: file by file, resumable, several at once, every file read back.

`manifest.json` lists every file (bytes, sha256) and is sent last, so an interrupted push leaves no store, and the same
call continues it.
"""

from __future__ import annotations

import json
from pathlib import Path

from prep.progress import Work
from prep.sharing.card import CARD, card
from prep.sharing.transfer import Report, ShareError, in_parallel, send, write_checked
from prep.storage.address import is_remote, storage_at
from prep.storage.storage import Storage
from prep.store.info import StoreInfo
from prep.store.manifest import MANIFEST, FileEntry
from prep.store.read import Store, local

JOBS = 4
REPLACED_BY = "replaced_by"


class TermsError(ShareError):
    """The terms of a dataset forbid its redistribution."""


def push(store: Store, target: str, jobs: int = JOBS, have_right: bool = False, replace: bool = False) -> Work[None]:
    """Send a store to a path or URL: its files, a data card, and last the manifest. Steps count bytes.

    Files that are there already are read back instead of sent again. Files of a replaced store that the new store lacks
    stay there.

    Raises TermsError for a dataset whose terms forbid redistribution (unless `have_right`), ShareError if another store
    is there (unless `replace`) or a file is read back with other bytes, StorageError if the storage fails.
    """
    check_terms(store.info, have_right)
    folder, storage = local(store), storage_at(target)
    if not is_remote(target) and Path(str(storage)).resolve() == folder.resolve():
        raise ShareError(f"{target}: is the store itself. Choose another folder.")
    manifest = (folder / MANIFEST).read_bytes()
    _check_target(storage, store, manifest, replace)
    remote_sizes = storage.sizes(list(store.files))

    def work(item: tuple[str, FileEntry], report: Report) -> None:
        send(folder, *item, storage, remote_sizes.get(item[0]), report)

    yield from in_parallel(work, list(store.files.items()), jobs, sum(entry.bytes for entry in store.files.values()))
    storage.write(CARD, card(store).encode())
    write_checked(storage, MANIFEST, manifest)


def check_terms(info: StoreInfo, have_right: bool) -> None:
    """Raise TermsError for a dataset whose terms forbid redistribution, unless the caller has the right."""
    if not (info.redistribution or have_right):
        raise TermsError(
            f"{info.title} may not be redistributed. Its terms: {info.licence.strip()}\n"
            "Share `--recipe-only` instead: anyone with the raw files can rebuild a bit-identical store from it. "
            "If its owners gave you the right, or the target is for licensed users only: --i-have-the-right."
        )


def _check_target(storage: Storage, store: Store, manifest: bytes, replace: bool) -> None:
    """Refuse to overwrite another store, and withdraw the manifest of a store that is going to be changed."""
    try:
        existing = storage.read(MANIFEST)
    except FileNotFoundError:
        return
    if existing == manifest:
        return
    try:
        content = json.loads(existing)
        digest = content.get("digest", content.get(REPLACED_BY))
    except (ValueError, AttributeError, RecursionError):
        digest = None
    if digest != store.digest and not replace:
        content = f"a store with digest {digest}" if digest else "a manifest.json of something else"
        raise ShareError(f"{storage}: holds {content}. Choose another URL, or --replace it.")
    # An old manifest over new files would pass for a store if the sizes agree.
    storage.write(MANIFEST, json.dumps({REPLACED_BY: store.digest}).encode())
