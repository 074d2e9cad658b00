"""Writing a store: the empty group, blocks of frames by any number of writers, the small arrays, then the manifest.

`prep/store/arrays.py` lists the arrays; `prep/store/read.py` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.store.arrays import BLOCK, CHUNK
from prep.store.frames import Frames
from prep.store.info import StoreInfo
from prep.store.manifest import BlockDigests, array_digest, block_digests, long_digests, write_manifest


def create(path: Path, info: StoreInfo, frames: int, shape: tuple[int, int, int]) -> None:
    """Create the group, and the arrays with one row per frame, for `frames` frames of shape (M, V, C)."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    compress = [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()]
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=as_json(info))
    group.create_array(
        "joints",
        shape=(frames, *shape),
        dtype="float32",
        chunks=(CHUNK, *shape),
        shards=(BLOCK, *shape),
        compressors=compress,
        dimension_names=("frame", "M", "V", "C"),
    )
    for name, dtype, axis, size in (("body_mask", "bool", "M", shape[0]), ("origin", "float32", "C", shape[2])):
        group.create_array(
            name,
            shape=(frames, size),
            dtype=dtype,
            chunks=(BLOCK, size),
            compressors=compress,
            dimension_names=("frame", axis),
        )


def write_block(path: Path, index: int, frames: Frames) -> BlockDigests:
    """Write the whole block `index`; each block has one writer only. Returns its digests."""
    import zarr

    rows = slice(index * BLOCK, index * BLOCK + len(frames))
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, values in frames.arrays.items():
            zarr.open_array(path / name, mode="r+")[rows] = values
    return block_digests(index, frames)


def write_array(path: Path, name: str, value: NDArray[Any], attributes: Mapping[str, Any] | None = None) -> None:
    """Write a whole array; its name may be a path through groups."""
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


def finalise(path: Path, small: Mapping[str, NDArray[Any]], blocks: list[BlockDigests]) -> str:
    """Write the small arrays and, last, the manifest. Returns the store's digest."""
    import zarr

    for name, value in small.items():
        write_array(path, name, value)
    group = zarr.open_group(path, mode="r")
    for unfinished in path.rglob("*.partial"):  # zarr's temporary file of a killed writer; the block was written again
        unfinished.unlink()
    digests = {name: array_digest(value) for name, value in small.items()}
    digests |= long_digests(blocks)
    return write_manifest(path, dict(group.attrs), digests)


def pack_text(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Texts as rows of UTF-8 bytes padded with zeros.

    >>> pack_text(["ab", "c"]).tolist()
    [[97, 98], [99, 0]]
    """
    rows = [text.encode() for text in texts]
    width = max((len(row) for row in rows), default=0)
    return np.frombuffer(b"".join(row.ljust(width, b"\0") for row in rows), np.uint8).reshape(len(rows), width)


def as_json(record: Any) -> dict[str, Any]:
    """A record as attributes of a group or an array, with tuples as lists as in zarr.json."""
    attributes: dict[str, Any] = json.loads(json.dumps(asdict(record)))
    return attributes
