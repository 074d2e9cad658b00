"""What a store says of itself, and how that is read from a place without opening an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from manifests.layout import Layout
from manifests.strict import InvalidValue, build
from prep.storage.storage import Storage
from prep.store.manifest import Manifest, StoreError, check_metadata, read_manifest


@dataclass(frozen=True)
class StoreInfo:
    """What a store says of itself.

    `form` is what it was read from (a module of prep.readers or prep.importers) with that form's `options`;
    `left_out` lists (name, reason) of files that were bad and allowed to be, `notes` (name, remark) of what was odd and
    could be used; `made_from` the digests of the stores that it was merged from.
    """

    format: int
    dataset: str
    title: str
    subset: str
    form: str
    options: Mapping[str, str]
    layout: Layout
    unit: str
    fps: float
    recipe: str
    recipe_version: int
    licence: str
    redistribution: bool
    citation: str
    unverified: str
    software: str
    source_digest: str
    classes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    made_from: tuple[str, ...] = ()


def software() -> str:
    """This program and its version."""
    return f"fewshot-skeleton {version('fewshot-skeleton')}"


def described(place: Storage) -> tuple[Manifest, StoreInfo]:
    """The mark of a finished store and what it says of itself. Raises StoreError, StorageError."""
    mark = read_manifest(place)
    attributes = check_metadata(place, mark)
    try:
        return mark, build(StoreInfo, attributes, f"{place}/zarr.json")
    except InvalidValue as error:
        raise StoreError(str(error)) from error
