"""The completion mark of a store: digests of every array, sizes of every file; written last, checked first."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.strict import InvalidValue, build
from prep.errors import PrepError
from prep.storage.storage import Storage

FORMAT = 3
MANIFEST = "manifest.json"
EMBEDDINGS = "embeddings"
ALTERNATE = "alternate"  # folder of an embedding's arrays that replaced others while these were still listed
AGAIN = "Build or fetch the store again."


class StoreError(PrepError):
    """A store is absent, unfinished, altered, or of a newer format."""


@dataclass(frozen=True)
class Block:
    """Digests of one block of frames, as its writer saw it."""

    index: int
    joints: str
    body_mask: str


def array_digest(array: NDArray[Any]) -> str:
    """sha256 over dtype, shape and bytes of an array.

    >>> array_digest(np.zeros(2, "uint8"))[:8] == array_digest(np.zeros((1, 2), "uint8"))[:8]
    False
    """
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    if array.size:
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def long_digests(blocks: list[Block]) -> dict[str, str]:
    """Digests of `joints` and `body_mask`, each over the digests of its blocks in order."""
    ordered = sorted(blocks, key=lambda block: block.index)
    return {
        name: hashlib.sha256("".join(getattr(block, name) for block in ordered).encode()).hexdigest()
        for name in ("joints", "body_mask")
    }


@dataclass(frozen=True)
class FileEntry:
    """One file of a store, as its writer left it."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class EmbeddingEntry:
    """One embedding: its digest, over what it says of itself and its arrays, and that of each array by its path."""

    digest: str
    arrays: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """The completion mark: the store's digest, one per array, and every file by its path inside the store.

    `digest` and `arrays` cover the clips. `embedded` are the embeddings added since, by their names ("xclip/video").
    """

    format: int
    digest: str
    arrays: Mapping[str, str]
    files: Mapping[str, FileEntry]
    embedded: Mapping[str, EmbeddingEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.files:
            if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                raise ValueError(f"names a file outside the store: {name}")

    def folder_of(self, array: str) -> str:
        """The folder with the files of an embedding's array: its path, or the alternate folder after a replacement."""
        return other if f"{(other := alternate(array))}/zarr.json" in self.files else array


def alternate(array: str) -> str:
    """The second folder that an embedding's array may lie in, so that a new version never overwrites the old one.

    >>> alternate("embeddings/xclip/video")
    'embeddings/xclip/alternate/video'
    """
    path = PurePosixPath(array)
    return (path.parent / ALTERNATE / path.name).as_posix()


def write_manifest(path: Path, attributes: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Write the mark of a store whose arrays are all in place. Returns the store's digest."""
    mark = Manifest(FORMAT, store_digest(attributes, digests), dict(digests), _files(path))
    _put(path, mark)
    return mark.digest


def enter_embeddings(
    path: Path, manifest: Manifest, entries: Mapping[str, EmbeddingEntry], folders: Mapping[str, str]
) -> Manifest:
    """Add or replace embeddings whose arrays are complete, by one replacement of the manifest file.

    `folders` maps each array of `entries` to the folder of its files. The digest of the store does not change. Only
    files of the clips and of listed embeddings are covered; unlisted embedding files are ignored.
    """
    embedded = {**manifest.embedded, **entries}
    arrays = [array for entry in embedded.values() for array in entry.arrays]
    owned = [PurePosixPath(folders.get(array) or manifest.folder_of(array)) for array in arrays]
    groups = {f"{group}/zarr.json" for folder in owned for group in folder.parents}
    clips = {file: entry for file, entry in manifest.files.items() if not file.startswith(f"{EMBEDDINGS}/")}
    added = {
        file: entry
        for file, entry in _files(path, EMBEDDINGS).items()
        if file in groups or any(folder in PurePosixPath(file).parents for folder in owned)
    }
    # Listed files have not been written again, so their entries stay: damage since then must not become valid.
    unchanged = {file: manifest.files[file] for file in added.keys() & manifest.files.keys()}
    entered = replace(manifest, files=clips | added | unchanged, embedded=embedded)
    _put(path, entered)
    return entered


def _put(path: Path, mark: Manifest) -> None:
    os.sync()
    temporary = path / (MANIFEST + ".writing")
    temporary.write_text(json.dumps(asdict(mark), indent=1), encoding="utf-8")
    temporary.replace(path / MANIFEST)


def read_manifest(place: Storage) -> Manifest:
    """The mark of a finished store. Raises StoreError when absent, unfinished, damaged, or of another format."""
    try:
        text = place.read(MANIFEST)
    except FileNotFoundError:
        raise StoreError(place.absent()) from None
    try:
        value = json.loads(text)
        found = int(value["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{place}: {MANIFEST} is damaged ({error}). {AGAIN}") from error
    if found != FORMAT:
        remedy = "Upgrade fewshot-skeleton." if found > FORMAT else AGAIN
        raise StoreError(f"{place}: has format {found}, this version reads {FORMAT}. {remedy}")
    try:
        return build(Manifest, value, f"{place}/{MANIFEST}")
    except InvalidValue as error:
        raise StoreError(f"{error}. The manifest.json is damaged. {AGAIN}") from error


def check_metadata(place: Storage, mark: Manifest) -> Mapping[str, Any]:
    """The attributes of the group. Raises StoreError when a zarr.json is not what the mark was written over."""
    names = [name for name in mark.files if PurePosixPath(name).name == "zarr.json"]
    texts = place.read_all(names)
    altered = [name for name in names if hashlib.sha256(texts.get(name, b"")).hexdigest() != mark.files[name].sha256]
    attributes: Mapping[str, Any] = {}
    if "zarr.json" in texts and not altered:
        attributes = json.loads(texts["zarr.json"]).get("attributes", {})
    if altered or store_digest(attributes, mark.arrays) != mark.digest:
        what = ", ".join(altered) or f"zarr.json or {MANIFEST}"
        raise StoreError(f"{place}: {what} was altered after the build, or is gone. {AGAIN}")
    return attributes


def check_files(place: Storage, mark: Manifest) -> None:
    """Raise StoreError unless every file of the mark is there and of its size."""
    sizes = place.sizes(list(mark.files))
    for name, held in mark.files.items():
        if sizes.get(name) != held.bytes:
            raise StoreError(f"{place}: {name} is missing or not {held.bytes} bytes. {AGAIN}")


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_digest(attributes: Mapping[str, Any], arrays: Mapping[str, str]) -> str:
    """A store's digest, over what it says of itself (but for the software that made it) and its arrays' digests."""
    # Whoever wrote the clips, and in how many stores they lay before: equal content has an equal digest.
    content = {key: value for key, value in attributes.items() if key != "software"} | {"made_from": []}
    return hashlib.sha256(json.dumps([content, arrays], sort_keys=True).encode()).hexdigest()


def embedding_digest(about: Mapping[str, Any], arrays: Mapping[str, str], clips: str) -> str:
    """Over what an embedding says of itself, but for the software, its arrays, and the clips that it is of."""
    content = {key: value for key, value in about.items() if key != "software"}
    return hashlib.sha256(json.dumps([content, arrays, clips], sort_keys=True).encode()).hexdigest()


def _files(path: Path, below: str = "") -> dict[str, FileEntry]:
    return {
        file.relative_to(path).as_posix(): FileEntry(file.stat().st_size, file_digest(file))
        for file in sorted((path / below).rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
