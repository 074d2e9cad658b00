"""The manifest of a store: digests of every array, sizes of every file; written last, checked first."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.strict import InvalidValue, build
from prep.errors import PrepError
from prep.files import atomic_write, flush
from prep.storage.storage import LARGEST, Storage
from prep.store.arrays import ARRAYS, EMBEDDED, PER_FRAME
from prep.store.frames import Frames
from prep.untrusted.json_text import parse_json

FORMAT = 4
MANIFEST = "manifest.json"
RECIPE = "recipe.json"  # shared in place of a store: what `fsprep rebuild` needs
EMBEDDINGS = "embeddings"
ALTERNATE = "alternate"  # folder of an embedding's arrays that replaced others while these were still listed
LARGEST_MANIFEST = 16 * 2**20  # bytes: 100,000 files; a store of 10^8 frames has 5,000
SHOWN = 5  # names in a message
AGAIN = "Build or fetch the store again."
_HEADER_OR_CHUNK = r"(?:zarr\.json|c(?:/\d{1,9}){1,8})"
_FILE = re.compile(
    rf"zarr\.json|(?:{'|'.join(ARRAYS)})/{_HEADER_OR_CHUNK}|{EMBEDDINGS}/zarr\.json"
    rf"|{EMBEDDINGS}/[a-z0-9][a-z0-9_-]{{0,63}}/(?:zarr\.json|{ALTERNATE}/zarr\.json"
    rf"|(?:{ALTERNATE}/)?(?:video|done|frames|text)/{_HEADER_OR_CHUNK})",
    re.ASCII,
)


class StoreError(PrepError):
    """A store is absent, unfinished, altered, or of a newer format."""


@dataclass(frozen=True)
class BlockDigests:
    """Digests of one block of frames, computed by its writer."""

    index: int
    joints: str
    body_mask: str
    origin: str


def array_digest(array: NDArray[Any]) -> str:
    """sha256 over dtype, shape and bytes of an array.

    >>> array_digest(np.zeros(2, "uint8"))[:8] == array_digest(np.zeros((1, 2), "uint8"))[:8]
    False
    """
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    if array.size:
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def block_digests(index: int, frames: Frames) -> BlockDigests:
    """The digests of one block of frames."""
    return BlockDigests(index, **{name: array_digest(values) for name, values in frames.arrays.items()})


def long_digests(blocks: list[BlockDigests]) -> dict[str, str]:
    """Digests of the arrays with one row per frame."""
    ordered = sorted(blocks, key=lambda block: block.index)
    return {name: long_digest([getattr(block, name) for block in ordered]) for name in PER_FRAME}


def long_digest(blocks: Sequence[str]) -> str:
    """Digest of an array with one row per frame, over the digests of its blocks in order."""
    return hashlib.sha256("".join(blocks).encode()).hexdigest()


@dataclass(frozen=True)
class FileEntry:
    """Size and sha256 of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class EmbeddingEntry:
    """Digest of one part of an embedding, over its metadata and arrays, and the digest of each array by its path."""

    digest: str
    arrays: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """The store's digest, the digest of each array, and every file by its path inside the store.

    `digest` and `arrays` cover the clips. `embedded` holds the embeddings that were added later, by part
    ("xclip/video"). Raises ValueError for a file or an embedding that this format does not have.
    """

    format: int
    digest: str
    arrays: Mapping[str, str]
    files: Mapping[str, FileEntry]
    embedded: Mapping[str, EmbeddingEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, entry in self.files.items():
            if not is_store_file(name):
                raise ValueError(f"lists {name!r:.100}, which is not a file of a store. Do not trust its origin")
            if entry.bytes < 0:
                raise ValueError(f"lists {name} with {entry.bytes} bytes")
        for key, embedding in self.embedded.items():
            name, _, kind = key.partition("/")
            arrays = {f"{EMBEDDINGS}/{name}/{array}" for array in EMBEDDED.get(kind, ())}
            groups = {f"{EMBEDDINGS}/zarr.json", f"{EMBEDDINGS}/{name}/zarr.json"}
            headers = groups | {f"{self.folder_of(array)}/zarr.json" for array in arrays}
            if not arrays or set(embedding.arrays) != arrays or not headers <= self.files.keys():
                raise ValueError(f"lists {key!r:.100}, which is not an embedding of this format")

    def folder_of(self, array: str) -> str:
        """The folder with the files of an embedding's array: its path, or the alternate folder after a replacement."""
        return other if f"{(other := alternate(array))}/zarr.json" in self.files else array


def is_store_file(name: str) -> bool:
    """True for the path of a file that this format has: headers and chunks of its arrays, headers of its groups.

    >>> is_store_file("joints/c/0/0/0/0"), is_store_file("embeddings/xclip/text/zarr.json")
    (True, True)
    >>> is_store_file("sitecustomize.py"), is_store_file("../label/zarr.json")
    (False, False)
    """
    return _FILE.fullmatch(name) is not None


def alternate(array: str) -> str:
    """The second folder that an embedding's array may lie in, so that a new version never overwrites the old one.

    >>> alternate("embeddings/xclip/video")
    'embeddings/xclip/alternate/video'
    """
    path = PurePosixPath(array)
    return (path.parent / ALTERNATE / path.name).as_posix()


def write_manifest(path: Path, attributes: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Write the manifest of a store whose arrays are complete. Returns the store's digest."""
    manifest = Manifest(FORMAT, store_digest(attributes, digests), dict(digests), _files(path))
    _put(path, manifest, flushed=path)
    return manifest.digest


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
    _put(path, entered, flushed=path / EMBEDDINGS)
    return entered


def read_manifest(storage: Storage) -> Manifest:
    """The manifest of a finished store. Raises StoreError if it is absent, damaged, or of another format."""
    try:
        text = storage.read(MANIFEST, LARGEST_MANIFEST)
    except FileNotFoundError:
        raise StoreError(_why_absent(storage)) from None
    try:
        value = parse_json(text)
        version = int(value["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{storage}: {MANIFEST} is damaged ({error}). {AGAIN}") from error
    if version != FORMAT:
        older = f"Build it again from the raw files: `fsprep build DATASET --raw PATH --out {storage}`."
        remedy = "Upgrade fewshot-skeleton." if version > FORMAT else older
        raise StoreError(f"{storage}: has store format {version}, this version reads {FORMAT}. {remedy}")
    try:
        return build(Manifest, value, f"{storage}/{MANIFEST}")
    except InvalidValue as error:
        raise StoreError(f"{error}. The manifest.json is damaged. {AGAIN}") from error


def read_metadata(storage: Storage, manifest: Manifest) -> Mapping[str, Mapping[str, Any]]:
    """Every zarr.json of a store, by its path. Raises StoreError unless they are those that the manifest lists."""
    sizes = {name: entry.bytes for name, entry in manifest.files.items() if PurePosixPath(name).name == "zarr.json"}
    if sum(sizes.values()) > LARGEST:
        raise StoreError(f"{storage}: its headers have {sum(sizes.values()):,} bytes, at most {LARGEST:,} are read.")
    texts = storage.read_all(sizes)
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    altered = [name for name in sizes if digests.get(name) != manifest.files[name].sha256]
    metadata: dict[str, Mapping[str, Any]] = {}
    try:
        metadata = {name: dict(parse_json(text)) for name, text in texts.items() if name not in altered}
    except (ValueError, TypeError) as error:
        raise StoreError(f"{storage}: a zarr.json is damaged ({error}). {AGAIN}") from error
    attributes = metadata.get("zarr.json", {}).get("attributes")
    if altered or not isinstance(attributes, dict) or store_digest(attributes, manifest.arrays) != manifest.digest:
        names_altered = first_names(altered) or f"zarr.json or {MANIFEST}"
        raise StoreError(f"{storage}: {names_altered} was altered after the build, or is gone. {AGAIN}")
    return metadata


def first_names(names: Sequence[str]) -> str:
    """A few of many names, for a message.

    >>> first_names(["a", "b"]), first_names(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def check_files(storage: Storage, manifest: Manifest) -> None:
    """Raise StoreError unless every listed file exists with its size."""
    sizes = storage.sizes(list(manifest.files))
    for name, entry in manifest.files.items():
        if sizes.get(name) != entry.bytes:
            raise StoreError(f"{storage}: {name} is missing or not {entry.bytes} bytes. {AGAIN}")


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_digest(attributes: Mapping[str, Any], arrays: Mapping[str, str]) -> str:
    """Digest over a store's attributes and the digests of its arrays.

    The software that wrote it and the stores that it was merged from do not count: equal clips have an equal digest.
    """
    content = {key: value for key, value in attributes.items() if key != "software"} | {"made_from": []}
    return hashlib.sha256(json.dumps([content, arrays], sort_keys=True).encode()).hexdigest()


def embedding_digest(metadata: Mapping[str, Any], arrays: Mapping[str, str], clips: str) -> str:
    """Digest over an embedding's metadata without `software`, its arrays' digests, and the digest of the store."""
    content = {key: value for key, value in metadata.items() if key != "software"}
    return hashlib.sha256(json.dumps([content, arrays, clips], sort_keys=True).encode()).hexdigest()


def _put(path: Path, manifest: Manifest, flushed: Path) -> None:
    # The listed files must be on the disk before the manifest that vouches for them.
    flush(flushed)
    atomic_write(path / MANIFEST, json.dumps(asdict(manifest), indent=1))


def _files(path: Path, below: str = "") -> dict[str, FileEntry]:
    files = {file.relative_to(path).as_posix(): file for file in sorted((path / below).rglob("*")) if file.is_file()}
    return {
        name: FileEntry(file.stat().st_size, file_digest(file)) for name, file in files.items() if is_store_file(name)
    }


def _why_absent(storage: Storage) -> str:
    """Message for a place without a manifest: what lies there instead, and what to do."""
    if storage.sizes([RECIPE]):
        return (
            f"{storage}: holds the recipe of a store, not a store. Make it from raw files: `fsprep rebuild {storage}`."
        )
    path = storage.backend
    if not isinstance(path, Path):
        return f"{storage}: no manifest.json there, so it is no store or not all of it was pushed. Check the URL."
    if path.is_dir():
        return f"{path}: has no manifest.json, so it is unfinished or no store. Build or fetch it again."
    if path.with_name(path.name + ".building").is_dir():
        return f"{path}: the build is not finished. Run the same `fsprep build` again; it continues."
    if path.with_name(path.name + ".pulling").is_dir():
        return f"{path}: only a part is fetched. Run the same `fsprep pull` again; it continues."
    return f"{path}: no store there. `fsprep list` shows the stores; `fsprep build` makes one."
