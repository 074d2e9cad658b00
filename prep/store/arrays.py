"""The arrays of a store, and what their headers (zarr.json) may claim.

A store is one zarr v3 group that holds every clip of a dataset, all clips end to end:

    joints     float32 (frames, M, V, C)   shards of 65,536 frames, each written by one worker
    body_mask  bool    (frames, M)         False where a body is absent; its joints are zeros
    origin     float32 (frames, C)         recorded position of the point that preprocessing has moved to zero
    offsets    int64   (clips + 1)         clip i is frames offsets[i] : offsets[i + 1]
    to_recorded float32 (clips, C, C)      recorded = to_recorded @ joints + origin, for each joint of a present body
    label      int32   (clips)             0-based index into the classes of `StoreInfo`
    subject, camera, setup, repetition int16 (clips), -1 where the file name does not say
    bodies     uint8   (clips)             number of bodies
    quality    uint16  (clips)             sum of the flags in prep.preprocessing.quality
    start, stop int32  (clips)             frames start : stop of the raw recording, or of its video; -1 where unknown
    left, top, right, bottom float32 (clips)  bounding box of the joints, as fractions of the video's width and height;
                                           -1 where unknown
    source     uint8   (clips, 32)         sha256 of the raw bytes
    names      uint8   (clips, width)      UTF-8, padded with zeros

Each small array, and each array of an embedding, is one chunk. Headers are checked before zarr reads an array: a header
that claims 10^9 rows would otherwise fill the memory, and a chunk without a file would be read as zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from manifests.layout import Layout

BLOCK = 65_536  # frames per shard: a part of the format, since digests are computed block by block
CHUNK = 1_024
MAX_NAME = 1_024  # bytes of a clip's name
MAX_BODIES = 16
MAX_CHANNELS = 8
MAX_WIDTH = 65_536  # numbers of an embedding's vector
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
PER_FRAME = ("joints", "body_mask", "origin")
SMALL = ("offsets", "names", "source", "to_recorded", *PER_CLIP)
ARRAYS = (*PER_FRAME, *SMALL)
# The arrays of each part of an embedding; the first holds the vectors and, as attributes, the metadata.
EMBEDDED = {"video": ("video", "done", "frames"), "text": ("text",)}
VECTORS = ("float32", "float16")
PLAIN = "bytes, blosc, crc32c"  # the codecs of every chunk
_SHARDED = f"sharding_indexed with chunks of {{}} ({PLAIN}) and an index (bytes, crc32c)"


@dataclass(frozen=True)
class Header:
    """The parts of an array's zarr.json that decide which bytes are read into how much memory."""

    shape: tuple[int, ...]
    dtype: str
    chunk: tuple[int, ...]
    codecs: str = PLAIN

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Header:
        """The header in a zarr.json. Raises ValueError if it is not one of an array of this format."""
        try:
            grid, keys = content["chunk_grid"], content["chunk_key_encoding"]
            shape, chunk = content["shape"], grid["configuration"]["chunk_shape"]
            standard = (content["zarr_format"], content["node_type"], grid["name"], keys["name"])
            separator, dtype = keys.get("configuration", {}).get("separator", "/"), content["data_type"]
            codecs = _codecs(content["codecs"], sharded=True)
        except (KeyError, TypeError, AttributeError):
            raise ValueError("is not the header of a zarr v3 array") from None
        if standard != (3, "array", "regular", "default") or separator != "/" or not isinstance(dtype, str):
            raise ValueError("is not the header of a zarr v3 array with a regular grid and default chunk keys")
        return cls(_sizes(shape, 0), dtype, _sizes(chunk, 1), codecs)


def check_headers(headers: Mapping[str, Header], files: Sequence[str], layout: Layout) -> None:
    """Raise ValueError unless the arrays of a store fit each other, the layout and the files of their chunks."""
    frames, *joints_shape = _axes(headers, "joints", 4)
    bodies, vertices, channels = joints_shape
    if bodies > MAX_BODIES or vertices != len(layout.joints) or channels > MAX_CHANNELS:
        raise ValueError(f"frames of shape {tuple(joints_shape)} do not fit the layout {layout.name}")
    shards = -(-frames // BLOCK)
    listed = sum(file.startswith("joints/c/") for file in files)
    if listed != shards:
        raise ValueError(f"{frames} frames need {shards} shards, {listed} are listed")
    clips = _axes(headers, "offsets", 1)[0] - 1
    # Clips without frames exist, but not by the thousand million.
    if not 0 <= clips <= BLOCK * (shards + 1):
        raise ValueError(f"`offsets` has {clips + 1} rows, too many for {frames} frames")
    width = _axes(headers, "names", 2)[1]
    if width > MAX_NAME:
        raise ValueError(f"`names` has {width} bytes per name, at most {MAX_NAME} are allowed")
    chunk_files = {file for file in files if file.partition("/")[0] in ARRAYS and not file.endswith("/zarr.json")}
    expected_files: set[str] = set()
    for name, wanted in _expected(frames, (bodies, vertices, channels), clips, width).items():
        _compare(name, headers[name], wanted)
        expected_files |= _chunk_files(name, wanted)
    if chunk_files != expected_files:
        file = min(chunk_files ^ expected_files)
        raise ValueError(f"{file} is {'not listed' if file in expected_files else 'no chunk of an array'}")


def check_embedding_header(path: str, header: Header, clips: int, classes: int) -> None:
    """Raise ValueError unless an array of an embedding has a row per clip, or per class for vectors of class names."""
    name = path.rpartition("/")[2]
    rows: tuple[int, ...] = (classes if name == "text" else clips,)
    dtype = {"done": "bool", "frames": "int32"}.get(name, header.dtype)
    if name in ("video", "text"):
        rows = (*rows, min(_axes({path: header}, path, 2)[1], MAX_WIDTH))
        dtype = dtype if dtype in VECTORS else VECTORS[0]
    _compare(path, header, Header(rows, dtype, tuple(max(1, size) for size in rows)))


def _compare(name: str, header: Header, wanted: Header) -> None:
    if header != wanted:
        raise ValueError(f"`{name}` has {_words(header)}, it must have {_words(wanted)}")


def _expected(frames: int, shape: tuple[int, int, int], clips: int, width: int) -> dict[str, Header]:
    small = {
        "offsets": ((clips + 1,), "int64"),
        "names": ((clips, width), "uint8"),
        "source": ((clips, 32), "uint8"),
        "to_recorded": ((clips, shape[2], shape[2]), "float32"),
        **{name: ((clips,), dtype) for name, dtype in PER_CLIP.items()},
    }
    return {
        "joints": Header((frames, *shape), "float32", (BLOCK, *shape), _SHARDED.format((CHUNK, *shape))),
        "body_mask": Header((frames, shape[0]), "bool", (BLOCK, shape[0])),
        "origin": Header((frames, shape[2]), "float32", (BLOCK, shape[2])),
        **{name: Header(rows, dtype, tuple(max(1, size) for size in rows)) for name, (rows, dtype) in small.items()},
    }


def _chunk_files(name: str, header: Header) -> set[str]:
    counts = [range(-(-size // chunk)) for size, chunk in zip(header.shape, header.chunk, strict=True)]
    return {f"{name}/c/" + "/".join(map(str, index)) for index in product(*counts)}


def _axes(headers: Mapping[str, Header], name: str, axes: int) -> tuple[int, ...]:
    if len(headers[name].shape) != axes:
        raise ValueError(f"`{name}` has the shape {headers[name].shape}, it must have {axes} axes")
    return headers[name].shape


def _sizes(values: Any, least: int) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > 8:
        raise ValueError("has a shape that is no list of sizes")
    if any(type(value) is not int or not least <= value < 2**63 for value in values):
        raise ValueError(f"has the sizes {values!r:.80}, which are not whole numbers from {least} on")
    return tuple(values)


def _codecs(codecs: Any, sharded: bool) -> str:
    """The codecs of an array in words. Raises ValueError for big-endian numbers and for shards inside of shards."""
    words = []
    for codec in codecs:
        name, settings = codec["name"], codec.get("configuration", {})
        if not isinstance(name, str) or settings.get("endian", "little") != "little":
            raise ValueError("has a codec that this format does not have")
        if name == "sharding_indexed" and sharded:
            chunk, inner = _sizes(settings["chunk_shape"], 1), _codecs(settings["codecs"], sharded=False)
            name = f"{name} with chunks of {chunk} ({inner}) and an index ({_codecs(settings['index_codecs'], False)})"
        words.append(name[:200])
    return ", ".join(words[:8])


def _words(header: Header) -> str:
    codecs = f"chunks of {header.chunk} and the codecs {header.codecs}"
    return f"shape {header.shape}, data type {header.dtype}, {codecs}"
