"""Send a store to a folder or URL: verified first, then file by file, resumable, several at once, every file read back.

`manifest.json` lists every file (bytes, sha256) and is sent last, so an interrupted push leaves no store, and the same
call continues it. A folder has one writer at a time. A server cannot be locked: two pushes of different stores to one
URL leave files of both, which every `pull` refuses by their sha256; two pushes of the same store write equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from prep.files import WRITING, disk_errors, locked, remove
from prep.progress import Work
from prep.sharing.card import CARD, card
from prep.sharing.transfer import Report, ShareError, in_parallel, send, verifying, write_checked
from prep.storage.address import storage_at
from prep.storage.folder import Folder
from prep.storage.storage import LARGEST, Storage
from prep.store.info import StoreInfo
from prep.store.manifest import MANIFEST, RECIPE, FileEntry, is_store_file
from prep.store.read import Store, local
from prep.untrusted.json_text import parse_json

JOBS = 4
REPLACED_BY = "replaced_by"
_UNFINISHED = re.compile(rf"(.+)\.[0-9a-f]{{32}}{re.escape(WRITING)}")


class TermsError(ShareError):
    """The terms of a dataset forbid its redistribution."""


def push(store: Store, target: str, jobs: int = JOBS, have_right: bool = False, replace: bool = False) -> Work[bool]:
    """Send a store to a path or URL: its files, a data card, and last the manifest. Steps count bytes.

    The store is verified before anything is sent. Files that are there already are read back instead of sent again;
    returns False if all were. Files of a replaced store that the new store lacks stay there.

    Raises TermsError for a dataset whose terms forbid redistribution (unless `have_right`), StoreError if the store
    does not give its digest, ShareError if another store is there (unless `replace`) or a file is read back with other
    bytes, StorageError if the storage fails, PrepError while another command writes to the folder.
    """
    check_terms(store.info, have_right)
    folder, storage = local(store), storage_at(target)
    if isinstance(storage, Folder) and storage.path.resolve() == folder.resolve():
        raise ShareError(f"{target}: is the store itself. Choose another folder.")
    with one_writer(storage):
        manifest = storage.read_all({MANIFEST: LARGEST}).get(MANIFEST)
        wanted = (folder / MANIFEST).read_bytes()
        if manifest not in (None, wanted) and not replace:
            _check_same_store(storage, store, manifest or b"")
        yield from verifying(store)
        if manifest not in (None, wanted) and _loses_files(manifest or b"", store):
            # An old manifest over new files would pass for a store if the sizes agree.
            storage.write(MANIFEST, json.dumps({REPLACED_BY: store.digest}).encode())
        sent = yield from _send_files(store, folder, storage, jobs)
        text = card(store).encode()
        if storage.read_all({CARD: LARGEST}).get(CARD) != text:
            storage.write(CARD, text)
        if manifest != wanted:
            write_checked(storage, MANIFEST, wanted)
        return sent or manifest != wanted


@contextmanager
def one_writer(storage: Storage) -> Iterator[None]:
    """Hold the lock of a folder that files are sent to, and clear what killed writers left; nothing on a server.

    Raises PrepError while another command holds it.
    """
    if not isinstance(storage, Folder):
        yield
        return
    target = storage.path.absolute()
    with disk_errors(target), locked(target.with_name(f"{target.name}.pushing")):
        for left in target.rglob(f"*{WRITING}"):
            unfinished = _UNFINISHED.fullmatch(left.relative_to(target).as_posix())
            if unfinished and (is_store_file(unfinished[1]) or unfinished[1] in (MANIFEST, CARD, RECIPE)):
                remove(left)
        yield


def _send_files(store: Store, folder: Path, storage: Storage, jobs: int) -> Work[bool]:
    """Send the listed files. Returns False if all were there already."""
    remote_sizes, sent = storage.sizes(list(store.files)), []

    def work(item: tuple[str, FileEntry], report: Report) -> None:
        if send(folder, *item, storage, remote_sizes.get(item[0]), report):
            sent.append(item[0])

    yield from in_parallel(work, list(store.files.items()), jobs, sum(entry.bytes for entry in store.files.values()))
    return bool(sent)


def check_terms(info: StoreInfo, have_right: bool) -> None:
    """Raise TermsError for a dataset whose terms forbid redistribution, unless the caller has the right."""
    if not (info.redistribution or have_right):
        raise TermsError(
            f"{info.title} may not be redistributed. Its terms: {info.licence.strip()}\n"
            "Share `--recipe-only` instead: anyone with the raw files can rebuild a bit-identical store from it. "
            "If its owners gave you the right, or the target is for licensed users only: --i-have-the-right."
        )


def _loses_files(manifest: bytes, store: Store) -> bool:
    """Whether files that a manifest lists are going to have other bytes: not where embeddings are only added."""
    try:
        files = parse_json(manifest)["files"]
        return any(files.get(name, asdict(entry)) != asdict(entry) for name, entry in store.files.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _check_same_store(storage: Storage, store: Store, manifest: bytes) -> None:
    """Raise ShareError if another store is at the target, or another one was going to replace what was there."""
    try:
        content = parse_json(manifest)
        digest = content.get("digest", content.get(REPLACED_BY))
    except (ValueError, AttributeError):
        digest = None
    if digest != store.digest:
        found = f"a store with digest {digest!r:.80}" if digest else "a manifest.json of something else"
        raise ShareError(f"{storage}: holds {found}. Choose another URL, or --replace it.")
