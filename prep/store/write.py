"""Writing a store: the empty group first, blocks of frames by as many writers as there are, then what is small and the
mark. Reading is `prep/store/read.py`, where the arrays are described; no other file imports zarr.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.store.info import StoreInfo
from prep.store.manifest import Block, array_digest, long_digests, write_manifest
from prep.store.read import BLOCK, CHUNK


def create(path: Path, info: StoreInfo, frames: int, shape: tuple[int, int, int]) -> None:
    """Make the group and its two long arrays, empty, for `frames` frames of shape (M, V, C)."""
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


def finalise(path: Path, small: Mapping[str, NDArray[Any]], blocks: list[Block]) -> str:
    """Write the small arrays and, last, the completion mark. Returns the store's digest."""
    import zarr

    for name, value in small.items():
        write_array(path, name, value)
    group = zarr.open_group(path, mode="r")
    for left in path.rglob("*.partial"):  # zarr's, of a writer that died; another has written that block since
        left.unlink()
    digests = {name: array_digest(value) for name, value in small.items()}
    digests |= long_digests(blocks)
    return write_manifest(path, dict(group.attrs), digests)


def pack_text(words: Sequence[str]) -> NDArray[np.uint8]:
    """Words as rows of UTF-8 bytes padded with zeros.

    >>> pack_text(["ab", "c"]).tolist()
    [[97, 98], [99, 0]]
    """
    raw = [word.encode() for word in words]
    width = max((len(word) for word in raw), default=0)
    return np.frombuffer(b"".join(word.ljust(width, b"\0") for word in raw), np.uint8).reshape(len(raw), width)


def as_json(record: Any) -> dict[str, Any]:
    """A record as attributes of a group or an array: tuples become lists, as zarr.json will hold them."""
    held: dict[str, Any] = json.loads(json.dumps(asdict(record)))
    return held
