"""The files of a store beside its arrays: the sums in manifest.json, the data card, files of no array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prep.progress import Step, Work
from prep.sharing.card import CARD, card
from prep.sharing.transfer import remote_digest
from prep.storage.storage import LARGEST
from prep.store.manifest import MANIFEST, StoreError, first_names
from prep.store.read import Store


@dataclass(frozen=True)
class Beside:
    """`card` is True if card.md is the card of the store, None if there is none; `extra` lists unlisted files."""

    card: bool | None
    extra: tuple[str, ...]


def verify_files(store: Store) -> Work[Beside]:
    """Recompute the sha256 of every file of a store whose arrays are verified. Steps count bytes.

    A server does not list its files, so `extra` is empty for a URL. Raises StoreError if manifest.json lists other
    sums: `push` and `pull` would fail.
    """
    total, done, wrong = sum(entry.bytes for entry in store.files.values()), 0, []
    for name, entry in store.files.items():
        wrong += [] if remote_digest(store.storage, name) == entry.sha256 else [name]
        yield Step(done := done + entry.bytes, total, "files", name)
    if wrong:
        remedy = "Nobody can fetch it like this: build or fetch it again"
        rule = f"the arrays give their digests, but {MANIFEST} lists another sha256 for {first_names(wrong)}"
        raise StoreError(f"{store.path}: {rule}. {remedy}.")
    text = store.storage.read_all({CARD: LARGEST}).get(CARD)
    return Beside(None if text is None else text == card(store).encode(), tuple(_extra(store)))


def _extra(store: Store) -> list[str]:
    folder = store.storage.backend
    if not isinstance(folder, Path):
        return []
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())
    return sorted(name for name in files if name not in store.files and name not in (MANIFEST, CARD))
