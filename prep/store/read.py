"""The store: one zarr v3 group that holds every clip of a data set end to end. `prep/store/write.py` writes it.

    joints     float32 (frames, M, V, C)   blocks of 65,536 frames, one shard and one writer each
    body_mask  bool    (frames, M)         False where a body is absent; its joints are zeros
    offsets    int64   (clips + 1)         clip i is frames offsets[i] : offsets[i + 1]
    label      int32   (clips)             0-based index into the classes of `StoreInfo`
    subject, camera, setup, repetition int16 (clips), -1 where the file name does not say
    bodies     uint8   (clips)             most bodies present at once
    quality    uint16  (clips)             sum of the flags in prep.preprocessing.quality
    start, stop int32  (clips)             frames start : stop of the raw recording, or of its video; -1 where unknown
    left, top, right, bottom float32 (clips)  the joints' box in the picture, in parts of its width and height; -1 where
                                           unknown
    source     uint8   (clips, 32)         sha256 of the raw bytes
    names      uint8   (clips, width)      UTF-8, padded with zeros

`manifest.json` is written last and is the completion mark: a digest per array, and the size of every file. A missing
shard would otherwise read as zeros in silence; a flipped bit fails the crc32c behind each compressor.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.storage.address import storage_at
from prep.storage.storage import Storage
from prep.store.embedding_key import EmbeddingPart
from prep.store.info import StoreInfo, described
from prep.store.manifest import AGAIN, MANIFEST, FileEntry, Manifest, StoreError, check_files

BLOCK = 65_536  # frames per shard: a part of the format, since digests are taken block by block
CHUNK = 1_024
PER_CLIP = {
    "label": "int32",
    "subject": "int16",
    "camera": "int16",
    "setup": "int16",
    "repetition": "int16",
    "bodies": "uint8",
    "quality": "uint16",
    "start": "int32",
    "stop": "int32",
    "left": "float32",
    "top": "float32",
    "right": "float32",
    "bottom": "float32",
}
BOX = ("left", "top", "right", "bottom")
SMALL = ("offsets", "names", "source", *PER_CLIP)


def _small(name: str) -> cached_property[NDArray[Any]]:
    return cached_property(lambda store: store.read(name))


class Store:
    """A finished store, read only: small arrays (see the top) are read on first use, `joints` on every call."""

    def __init__(self, place: Storage, info: StoreInfo, mark: Manifest, group: Any) -> None:
        self.place, self.info, self.manifest, self._group = place, info, mark, group

    @property
    def digest(self) -> str:
        """sha256 over what the store holds: equal for equal content, whoever built it and in how many pieces."""
        return self.manifest.digest

    @property
    def array_digests(self) -> Mapping[str, str]:
        """Array name to its sha256, as the completion mark has it."""
        return self.manifest.arrays

    @property
    def path(self) -> str:
        """Its path or URL."""
        return str(self.place)

    @property
    def files(self) -> Mapping[str, FileEntry]:
        """Path inside the store to size and digest."""
        return self.manifest.files

    @property
    def embeddings(self) -> Mapping[str, tuple[EmbeddingPart, ...]]:
        """The parts (vectors of videos, of class names) of each embedding, by name in alphabetical order."""
        parts = sorted(map(EmbeddingPart.parse, self.manifest.embedded))
        return {part.name: tuple(other for other in parts if other.name == part.name) for part in parts}

    @property
    def frames(self) -> int:
        """All frames of all clips together."""
        return int(self._group["joints"].shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, V, C) of every frame."""
        _, bodies, joints, channels = self._group["joints"].shape
        return bodies, joints, channels

    def __len__(self) -> int:
        return len(self.label)

    def joints(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Frames start : stop as (frames, M, V, C). Raises StoreError where a block is damaged."""
        return self.read("joints", slice(start, stop))

    def read(self, name: str, where: slice = slice(None)) -> NDArray[Any]:
        """Rows `where` of one array. Raises StoreError where it is damaged, StorageError where it is out of reach."""
        try:
            with self.place.reading():
                return np.asarray(self._group[name][where])
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            shards = self._shards(name, where)
            raise StoreError(f"{self.path}: array `{name}` is damaged ({error}) in {shards}. {AGAIN}") from error

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape that one array's header promises, of which nothing is read. Raises StoreError where it is none."""
        try:
            with self.place.reading():
                return tuple(self._group[name].shape)
        except (KeyError, AttributeError, ValueError) as error:
            raise StoreError(f"{self.path}: has no array `{name}`. {AGAIN}") from error

    def attributes(self, name: str) -> Mapping[str, Any]:
        """What one array says of itself. Raises StoreError where there is no such array."""
        try:
            with self.place.reading():
                return dict(self._group[name].attrs)
        except (KeyError, ValueError) as error:
            raise StoreError(f"{self.path}: has no array `{name}`. {AGAIN}") from error

    def _shards(self, name: str, where: slice) -> str:
        """The files that hold these rows, in words."""
        long = name in ("joints", "body_mask")
        start, stop, _ = where.indices(self.frames if long else 1)
        first, last = f"{name}/c/{start // BLOCK}", f"{name}/c/{max(start, stop - 1) // BLOCK}"
        return first if first == last else f"one of {first} to {last}"

    @cached_property
    def body_mask(self) -> NDArray[np.bool_]:
        """(frames, M): False where a body is absent."""
        return self.read("body_mask")

    @cached_property
    def box(self) -> NDArray[np.float32]:
        """(clips, 4): left, top, right, bottom of the joints in the picture, each -1 where unknown."""
        return np.stack([getattr(self, side) for side in BOX], axis=1)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The stem of each clip's raw file."""
        return tuple(bytes(row).rstrip(b"\0").decode() for row in self.read("names"))

    label = _small("label")
    subject = _small("subject")
    camera = _small("camera")
    setup = _small("setup")
    repetition = _small("repetition")
    bodies = _small("bodies")
    quality = _small("quality")
    start = _small("start")
    stop = _small("stop")
    left = _small("left")
    top = _small("top")
    right = _small("right")
    bottom = _small("bottom")
    source = _small("source")
    offsets = _small("offsets")


def open_store(where: Path | str) -> Store:
    """Open a finished store at a path or URL, of which nothing is copied.

    Raises StoreError when absent, unfinished, of another format or visibly altered, StorageError when out of reach.
    """
    place = storage_at(where)
    mark, info = described(place)
    check_files(place, mark)
    missing = [name for name in ("joints", "body_mask", *SMALL) if f"{name}/zarr.json" not in mark.files]
    if missing:
        raise StoreError(f"{place}: lacks the arrays {', '.join(missing)}. {AGAIN}")
    place.check_ranges(MANIFEST)
    with place.reading():
        store = Store(place, info, mark, _group(place, mark))
    _check_shape(store)
    return store


def local(store: Store) -> Path:
    """The folder of a store on this machine. Raises PrepError for a remote store."""
    folder = store.place.handle
    if not isinstance(folder, Path):
        raise PrepError(f"{store.path}: is not on this machine. Fetch it first: `fsprep pull {store.path}`.")
    return folder


def _group(place: Storage, mark: Manifest) -> Any:
    import zarr

    handle = place.handle
    return zarr.open_group(handle if isinstance(handle, Path) else _afar(handle, place, mark), mode="r")


def _afar(handle: Any, place: Storage, mark: Manifest) -> Any:
    """zarr's view of an obstore store, in which a file of the mark that is gone raises, where zarr would read zeros."""
    from zarr.storage import ObjectStore

    class Whole(ObjectStore):
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            found = await super().get(key, prototype, byte_range)
            if found is None and key in mark.files:
                raise StoreError(f"{place}: {key} is gone. {AGAIN}")
            return found

    return Whole(handle, read_only=True)


def _check_shape(store: Store) -> None:
    """No size in a header is believed: shapes must fit the layout, and every block must have its file."""
    known = store.info.layout
    bodies, joints, channels = store.shape
    if bodies > 64 or joints != len(known.joints) or channels > 16:
        raise StoreError(f"{store.path}: frames of shape {store.shape} do not fit the layout {known.name}. {AGAIN}")
    shards = sum(file.startswith("joints/c/") for file in store.files)
    if shards != -(-store.frames // BLOCK):
        raise StoreError(
            f"{store.path}: {store.frames} frames need {-(-store.frames // BLOCK)} shards, {shards} are there."
        )
