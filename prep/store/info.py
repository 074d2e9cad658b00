"""Metadata of a store, read and checked without reading an array."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from manifests.layout import Layout
from manifests.strict import InvalidValue, build
from prep.storage.storage import Storage
from prep.store.arrays import ARRAYS, Header, check_embedding_header, check_headers
from prep.store.manifest import AGAIN, Manifest, StoreError, read_manifest, read_metadata

# These names become names of folders, and may come from a server.
_NAME = re.compile(r"\w[\w-]{0,63}", re.ASCII)
REPLACED = 3  # times that a store may change while it is opened
ReadT = TypeVar("ReadT")


@dataclass(frozen=True)
class StoreInfo:
    """Metadata of a store.

    `file_format` is the one that it was read from (a module of prep.readers or prep.importers), with that format's
    `options`; `preprocessing` is the pipeline. `left_out` lists (name, reason) of bad files that were left out on
    purpose, `notes` (name, remark) of oddities, `made_from` the digests of the stores that it was merged from.
    Raises ValueError for a dataset, subset or preprocessing that is no plain name, for equal classes, and for an `fps`
    that is no positive number.
    """

    format: int
    dataset: str
    title: str
    subset: str
    file_format: str
    options: Mapping[str, str]
    layout: Layout
    unit: str
    fps: float
    preprocessing: str
    preprocessing_version: int
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

    def __post_init__(self) -> None:
        for key, name in (("dataset", self.dataset), ("subset", self.subset), ("preprocessing", self.preprocessing)):
            if not is_name(name) and (name or key != "subset"):
                rule = "it must be 1 to 64 letters, digits, _ and -, and not begin with -"
                raise ValueError(f"{key} is {name[:80]!r}; {rule}")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps is {self.fps}; it must be a finite number above 0")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")


def is_name(text: str) -> bool:
    """True for the name of a dataset, split or preprocessing that may become the name of a folder.

    >>> is_name("ntu120"), is_name("../ntu120"), is_name("/abs/evil"), is_name("a" * 65)
    (True, False, False, False)
    """
    return _NAME.fullmatch(text) is not None


def software() -> str:
    """This program and its version."""
    return f"fewshot-skeleton {version('fewshot-skeleton')}"


def read_info(storage: Storage) -> tuple[Manifest, StoreInfo]:
    """The manifest and metadata of a finished store, and a check of the headers of its arrays.

    Raises StoreError if anything is absent, altered or not of this format, StorageError if it cannot be reached.
    """
    return of_one_manifest(storage, lambda manifest: (manifest, info_of(storage, manifest)))


def of_one_manifest(storage: Storage, read: Callable[[Manifest], ReadT]) -> ReadT:
    """What `read` makes of a store, whose manifest it is given.

    It reads again where it fails and another command has replaced an embedding, and so the manifest, meanwhile.
    """
    manifest = read_manifest(storage)
    for _ in range(REPLACED):
        try:
            return read(manifest)
        except StoreError:
            before, manifest = manifest, read_manifest(storage)
            if manifest == before:
                raise
    return read(manifest)


def info_of(storage: Storage, manifest: Manifest) -> StoreInfo:
    """The metadata of the store with this manifest, and a check of the headers of its arrays. Raises as `read_info`."""
    metadata = read_metadata(storage, manifest)
    try:
        info = build(StoreInfo, metadata["zarr.json"]["attributes"], f"{storage}/zarr.json")
    except InvalidValue as error:
        raise StoreError(f"{error}. {AGAIN}") from error
    missing = [name for name in ARRAYS if f"{name}/zarr.json" not in metadata]
    if missing:
        raise StoreError(f"{storage}: lacks the arrays {', '.join(missing)}. {AGAIN}")
    try:
        headers = {name: Header.parse(metadata[f"{name}/zarr.json"]) for name in ARRAYS}
        check_headers(headers, list(manifest.files), info.layout)
        for array in (array for entry in manifest.embedded.values() for array in entry.arrays):
            header = metadata.get(f"{manifest.folder_of(array)}/zarr.json", {})
            check_embedding_header(array, Header.parse(header), headers["label"].shape[0], len(info.classes))
    except ValueError as error:
        raise StoreError(f"{storage}: {error}. {AGAIN}") from error
    return info
