"""Stores that look like others: what a hostile server can make of an honest store."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prep.store.manifest import MANIFEST, array_digest, block_digests, long_digests, store_digest
from prep.store.read import open_store
from prep.store.write import write_array, write_block


def relist(path: Path, *files: str) -> None:
    """Give the manifest of a store the sizes and sums that these files have now."""
    manifest = json.loads((path / MANIFEST).read_text())
    for file in files:
        content = (path / file).read_bytes()
        manifest["files"][file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / MANIFEST).write_text(json.dumps(manifest))


def rewrite(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change one array; the sums of its files fit, the digests stay those of the honest store."""
    store = open_store(path)
    if name in ("joints", "origin", "body_mask"):
        frames = store.read_frames()
        write_block(path, 0, type(frames)(**{**frames.arrays, name: change(frames.arrays[name])}))
    else:
        values, attributes = change(store.read(name)), store.attributes(name)
        shutil.rmtree(path / name)
        write_array(path, name, values, attributes)
    relist(path, *(file for file in store.files if file.startswith((f"{name}/", "joints/", "origin/", "body_mask/"))))


def redigest(path: Path) -> None:
    """Give a store the digests of the arrays that it has: it is then another, consistent store."""
    manifest = json.loads((path / MANIFEST).read_text())
    store = open_store(path)
    frames = store.read_frames()
    small = {name: array_digest(store.read(name)) for name in manifest["arrays"] if name not in frames.arrays}
    manifest["arrays"] = small | long_digests([block_digests(0, frames)])
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    manifest["digest"] = store_digest(attributes, manifest["arrays"])
    (path / MANIFEST).write_text(json.dumps(manifest))


def change_json(path: Path, file: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one JSON file of a store and its entry in the manifest."""
    content = json.loads((path / file).read_text())
    change(content)
    (path / file).write_text(json.dumps(content))
    relist(path, file)
