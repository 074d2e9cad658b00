"""The completion mark of a store: digests of every array, sizes of every file; written last, checked first."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.clip import PrepError

FORMAT = 1
MARK = "manifest.json"
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


def write_mark(path: Path, attributes: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Write the mark of a store whose arrays are all in place. Returns the store's digest."""
    mark = {
        "format": FORMAT,
        "digest": _store_digest(attributes, digests),
        "arrays": dict(digests),
        "metadata": _metadata_digest(path),
        "files": _files(path),
    }
    os.sync()
    temporary = path / (MARK + ".writing")
    temporary.write_text(json.dumps(mark, indent=1), encoding="utf-8")
    temporary.replace(path / MARK)
    return str(mark["digest"])


def read_mark(path: Path) -> dict[str, Any]:
    """The mark of a finished store. Raises StoreError when absent, unfinished, damaged, or of a newer format."""
    if not path.is_dir():
        building = path.with_name(path.name + ".building")
        if building.is_dir():
            raise StoreError(f"{path}: the build is not finished. Run the same `fsprep build` again; it continues.")
        raise StoreError(f"{path}: no store there. `fsprep list` shows the stores; `fsprep build` makes one.")
    try:
        mark: dict[str, Any] = json.loads((path / MARK).read_bytes())
        newer = int(mark["format"]) > FORMAT
        complete = isinstance(mark["arrays"], dict) and isinstance(mark["files"], dict) and "digest" in mark
    except FileNotFoundError:
        raise StoreError(f"{path}: has no {MARK}, so it is unfinished or no store. Build or fetch it again.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: {MARK} is damaged ({error}). {AGAIN}") from error
    if newer:
        raise StoreError(f"{path}: has format {mark['format']}, this version reads {FORMAT}. Upgrade fewshot-skeleton.")
    if not complete:
        raise StoreError(f"{path}: {MARK} is damaged. {AGAIN}")
    return mark


def check_attributes(path: Path, mark: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    """Raise StoreError when the metadata on disk is not what the mark was written over."""
    whole = mark["metadata"] == _metadata_digest(path)
    if not whole or _store_digest(attributes, mark["arrays"]) != mark["digest"]:
        raise StoreError(f"{path}: a zarr.json or {MARK} was altered after the build. {AGAIN}")


def check_files(path: Path, files: Mapping[str, int]) -> None:
    """Raise StoreError unless every file of the mark is there, of its size, and inside the store."""
    for relative, size in files.items():
        file = path / relative
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise StoreError(f"{path}: {MARK} names a file outside the store: {relative}")
        if not file.is_file() or file.stat().st_size != size:
            raise StoreError(f"{path}: {relative} is missing or not {size} bytes. {AGAIN}")


def _store_digest(attributes: Mapping[str, Any], arrays: Mapping[str, str]) -> str:
    content = {key: value for key, value in attributes.items() if key != "software"}
    return hashlib.sha256(json.dumps([content, arrays], sort_keys=True).encode()).hexdigest()


def _metadata_digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("zarr.json")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> dict[str, int]:
    return {
        str(file.relative_to(path)): file.stat().st_size
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != MARK
    }
