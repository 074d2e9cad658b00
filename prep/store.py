"""The store: one zarr v3 group that holds every clip of a data set end to end. The only file that imports zarr.

    joints     float32 (frames, M, V, C)   blocks of 65,536 frames, one shard and one writer each
    body_mask  bool    (frames, M)         False where a body is absent; its joints are zeros
    offsets    int64   (clips + 1)         clip i is frames offsets[i] : offsets[i + 1]
    label      int32   (clips)             0-based index into the classes of `StoreInfo`
    subject, camera, setup, repetition int16 (clips), -1 where the file name does not say
    bodies     uint8   (clips)             most bodies present at once
    quality    uint16  (clips)             sum of the flags in prep.quality
    start, stop int32  (clips)             frames start : stop of the raw recording, or of its video; -1 where unknown
    left, top, right, bottom float32 (clips)  the joints' box in the picture, in parts of its width and height; -1 where
                                           unknown
    source     uint8   (clips, 32)         sha256 of the raw bytes
    names      uint8   (clips, width)      UTF-8, padded with zeros

`manifest.json` is written last and is the completion mark: a digest per array, and the size of every file. A missing
shard would otherwise read as zeros in silence; a flipped bit fails the crc32c behind each compressor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.info import StoreInfo, described
from prep.mark import (
    AGAIN,
    MARK,
    Block,
    FileMark,
    Mark,
    StoreError,
    array_digest,
    check_files,
    long_digests,
    write_mark,
)
from prep.places.address import place_at
from prep.places.place import Place

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


def create(path: Path, info: StoreInfo, frames: int, shape: tuple[int, int, int]) -> None:
    """Make the group and its two long arrays, empty, for `frames` frames of shape (M, V, C)."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    compress = [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()]
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=_attributes(info))
    group.create_array(
        "joints",
        shape=(frames, *shape),
        dtype="float32",
        chunks=(CHUNK, *shape),
        shards=(BLOCK, *shape),
        compressors=compress,
        dimension_names=("frame", "M", "V", "C"),
    )
    group.create_array(
        "body_mask",
        shape=(frames, shape[0]),
        dtype="bool",
        chunks=(BLOCK, shape[0]),
        compressors=compress,
        dimension_names=("frame", "M"),
    )


def write_block(path: Path, index: int, joints: NDArray[np.float32], mask: NDArray[np.bool_]) -> Block:
    """Write block `index` whole; nobody else may write it. Returns its digests."""
    import zarr

    where = slice(index * BLOCK, index * BLOCK + len(joints))
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(path / "joints", mode="r+")[where] = joints
        zarr.open_array(path / "body_mask", mode="r+")[where] = mask
    return Block(index, array_digest(joints), array_digest(mask))


def write_array(path: Path, name: str, value: NDArray[Any], attributes: Mapping[str, Any] | None = None) -> None:
    """Write one array whole, under a name that may lead through groups."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    group = zarr.open_group(path, mode="r+")
    if "/" in name:
        group.require_group(name.rpartition("/")[0])
    with zarr.config.set({"array.write_empty_chunks": True}):
        array = group.create_array(
            name,
            shape=value.shape,
            dtype=value.dtype,
            chunks=tuple(max(1, side) for side in value.shape),
            compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()],
            attributes=dict(attributes or {}),
        )
        if value.size:
            array[...] = value


def seal(path: Path, small: Mapping[str, NDArray[Any]], blocks: list[Block]) -> str:
    """Write the small arrays and, last, the completion mark. Returns the store's digest."""
    import zarr

    for name, value in small.items():
        write_array(path, name, value)
    group = zarr.open_group(path, mode="r")
    for left in path.rglob("*.partial"):  # zarr's, of a writer that died; another has written that block since
        left.unlink()
    digests = {name: array_digest(value) for name, value in small.items()}
    digests |= long_digests(blocks)
    return write_mark(path, dict(group.attrs), digests)


def _small(name: str) -> cached_property[NDArray[Any]]:
    return cached_property(lambda store: store.read(name))


class Store:
    """A finished store, read only: small arrays (see the top) are read on first use, `joints` on every call."""

    def __init__(self, place: Place, info: StoreInfo, mark: Mark, group: Any) -> None:
        self.place, self.info, self.mark, self._group = place, info, mark, group

    @property
    def digest(self) -> str:
        """sha256 over what the store holds: equal for equal content, whoever built it and in how many pieces."""
        return self.mark.digest

    @property
    def array_digests(self) -> Mapping[str, str]:
        """Array name to its sha256, as the completion mark has it."""
        return self.mark.arrays

    @property
    def path(self) -> str:
        """Its path or URL."""
        return str(self.place)

    @property
    def files(self) -> Mapping[str, FileMark]:
        """Path inside the store to size and digest."""
        return self.mark.files

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
        """Rows `where` of one array. Raises StoreError where it is damaged, PlaceError where it is out of reach."""
        try:
            with self.place.reading():
                return np.asarray(self._group[name][where])
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            shards = self._shards(name, where)
            raise StoreError(f"{self.path}: array `{name}` is damaged ({error}) in {shards}. {AGAIN}") from error

    def attributes(self, name: str) -> Mapping[str, Any]:
        """What one array says of itself. Raises StoreError where there is no such array."""
        try:
            with self.place.reading():
                return dict(self._group[name].attrs)
        except KeyError as error:
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


def pack_text(words: Sequence[str]) -> NDArray[np.uint8]:
    """Words as rows of UTF-8 bytes padded with zeros.

    >>> pack_text(["ab", "c"]).tolist()
    [[97, 98], [99, 0]]
    """
    raw = [word.encode() for word in words]
    width = max((len(word) for word in raw), default=0)
    return np.frombuffer(b"".join(word.ljust(width, b"\0") for word in raw), np.uint8).reshape(len(raw), width)


def open_store(where: Path | str) -> Store:
    """Open a finished store at a path or URL, of which nothing is copied.

    Raises StoreError when absent, unfinished, of another format or visibly altered, PlaceError when out of reach.
    """
    place = place_at(where)
    mark, info = described(place)
    check_files(place, mark)
    missing = [name for name in ("joints", "body_mask", *SMALL) if f"{name}/zarr.json" not in mark.files]
    if missing:
        raise StoreError(f"{place}: lacks the arrays {', '.join(missing)}. {AGAIN}")
    place.check_ranges(MARK)
    with place.reading():
        store = Store(place, info, mark, _group(place, mark))
    _check_shape(store)
    return store


def _group(place: Place, mark: Mark) -> Any:
    import zarr

    handle = place.handle
    return zarr.open_group(handle if isinstance(handle, Path) else _afar(handle, place, mark), mode="r")


def _afar(handle: Any, place: Place, mark: Mark) -> Any:
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


def _attributes(info: StoreInfo) -> dict[str, Any]:
    return as_json(info)


def as_json(record: Any) -> dict[str, Any]:
    """A record as attributes of a group or an array: tuples become lists, as zarr.json will hold them."""
    held: dict[str, Any] = json.loads(json.dumps(asdict(record)))
    return held
