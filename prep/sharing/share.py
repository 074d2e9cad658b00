"""Stores handed on: `push` to a place and `pull` from one, by file, resumable, several at once, verified on both ends.

`manifest.json` is the truth about every file (bytes, sha256) and is the last to arrive, so whatever was cut short is
no store on either side, and the same call continues it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath

from prep.files import disk_errors, locked
from prep.sharing.addition import add_embeddings
from prep.sharing.card import CARD, card
from prep.sharing.transfer import Moved, ShareError, Tell, check_room, digest_at, fetch, send, side_by_side
from prep.storage.address import is_remote, storage_at
from prep.storage.storage import Storage, StorageError
from prep.store.info import StoreInfo, described
from prep.store.manifest import MANIFEST, FileEntry, Manifest, StoreError
from prep.store.read import Store, local, open_store

JOBS = 4
REPLACED_BY = "replaced_by"


class TermsError(ShareError):
    """The terms of a data set forbid what was asked."""


def push(
    store: Store, target: str, jobs: int = JOBS, have_right: bool = False, replace: bool = False
) -> Iterator[Moved]:
    """Send a store to a path or URL: its files, a data card, and last the manifest. The same call continues.

    Files that are there already are read back rather than sent again. Raises TermsError for a data set that may not be
    handed on (unless `have_right`), ShareError when another store is there (unless `replace`) or a file does not come
    back as it was sent, StorageError when the place fails. Files of a replaced store that the new one lacks stay there.
    """
    check_terms(store.info, have_right)
    folder, place = local(store), storage_at(target)
    if not is_remote(target) and Path(str(place)).resolve() == folder.resolve():
        raise ShareError(f"{target}: is the store itself. Choose another place.")
    text = (folder / MANIFEST).read_bytes()
    _make_way(place, store, text, replace)
    there = place.sizes(list(store.files))
    total = sum(held.bytes for held in store.files.values())

    def work(item: tuple[str, FileEntry], tell: Tell) -> None:
        send(folder, *item, place, there.get(item[0]), tell)

    yield from side_by_side(work, list(store.files.items()), jobs, total)
    place.write(CARD, card(store).encode())
    write_checked(place, MANIFEST, text)


def pull(source: str, out: Path, jobs: int = JOBS, whole_files: bool = False) -> Iterator[Moved]:
    """Fetch the store at a path or URL to the folder `out`. The same call continues.

    Files gather in `<out>.pulling/`, broken ones are taken up where they broke, and the folder gets its name when all
    are right. `whole_files`: never ask for a piece of a file, for servers that ignore ranges; what broke begins anew.
    Where `out` is a store of the same clips, the embeddings that it lacks are added. Raises ShareError for a file that
    is wrong at the place, a full disk or an `out` that is something else, StorageError when the place fails, StoreError
    when there is no store.
    """
    place = storage_at(source)
    mark, _ = described(place)
    _check_names(place, mark)
    if out.exists():
        yield from add_embeddings(place, mark, out, jobs, not whole_files)
        return
    if not whole_files:
        place.check_ranges(MANIFEST)
    working = _made(out.with_name(out.name + ".pulling"))
    with locked(working), disk_errors(working):
        folder = _made(working / "store")
        check_room(folder, mark.files)
        total = sum(held.bytes for held in mark.files.values())

        def work(item: tuple[str, FileEntry], tell: Tell) -> None:
            fetch(place, *item, folder, tell, not whole_files)

        yield from side_by_side(work, list(mark.files.items()), jobs, total)
        _finish(place, mark, folder)
        folder.rename(out)
        shutil.rmtree(working)


def check_terms(info: StoreInfo, have_right: bool) -> None:
    """Raise TermsError for a data set whose terms forbid redistribution, unless the caller has the right."""
    if not (info.redistribution or have_right):
        raise TermsError(
            f"{info.title} may not be handed on. Its terms: {info.licence.strip()}\n"
            "Share `--recipe-only` instead: who holds the raw files rebuilds the same store from it, to the bit. "
            "If its owners gave you the right, or the place is for licensed users only: --i-have-the-right."
        )


def write_checked(place: Storage, name: str, content: bytes) -> None:
    """Write a small file and read it back. Raises ShareError, StorageError."""
    place.write(name, content)
    if digest_at(place, name) != sha256(content).hexdigest():
        raise ShareError(f"{place}: {name} comes back other than it was sent. Look at the server's disk and cache.")


def _make_way(place: Storage, store: Store, text: bytes, replace: bool) -> None:
    """Refuse to write over another store; take the mark of what is going to be changed away before it is."""
    try:
        there = place.read(MANIFEST)
    except FileNotFoundError:
        return
    if there == text:
        return
    try:
        held = json.loads(there)
        digest = held.get("digest", held.get(REPLACED_BY))
    except (ValueError, AttributeError):
        digest = None
    if digest != store.digest and not replace:
        what = f"a store of digest {digest}" if digest else "a manifest.json of something else"
        raise ShareError(f"{place}: holds {what}. Choose another URL, or --replace it.")
    # Old marks over new files would pass for a store wherever sizes agree.
    place.write(MANIFEST, json.dumps({REPLACED_BY: store.digest}).encode())


def _check_names(place: Storage, mark: Manifest) -> None:
    """Names from afar must be those of plain files in plain folders, none of them inside another."""
    names = set(mark.files)
    for name, held in mark.files.items():
        folders = {str(folder) for folder in PurePosixPath(name).parents}
        plain = re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", name) and name not in (MANIFEST, CARD)
        if not plain or folders & names or held.bytes < 0:
            raise StoreError(
                f"{place}: {MANIFEST} names {name!r}, which is no file of a store. Do not trust this place."
            )


def _finish(place: Storage, mark: Manifest, folder: Path) -> None:
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in mark.files:  # of a store that was there in an earlier attempt
            file.unlink()
    (folder / MANIFEST).write_bytes(place.read(MANIFEST))
    store = open_store(folder)
    if store.manifest != mark:
        (folder / MANIFEST).unlink()
        raise ShareError(f"{place}: was replaced by another store meanwhile. Run the same command.")
    (folder / CARD).write_text(card(store), encoding="utf-8")
    os.sync()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror}). Choose another --out.") from error
    return folder
