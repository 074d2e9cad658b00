"""A store built from a folder of raw files in this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from manifests.facts import dataset
from prep.building.build import build
from prep.building.job import Job
from prep.progress import result
from prep.store.read import Store, open_store
from prep.workers import Workers


def built(name: str, raw: Path, allow_bad: bool = False, preprocessing: str = "raw", **options: str) -> Store:
    """Build the store of a dataset beside its raw folder. Raises the errors of the build."""
    out = raw.with_name(f"{raw.name}-{preprocessing}.zarr")
    with ThreadPoolExecutor(1) as pool:
        job = Job(dataset(name), preprocessing, raw, out, options=options, allow_bad=allow_bad)
        result(build(job, Workers(pool, 1)))
    return open_store(out)


def clips_of(store: Store) -> dict[str, np.ndarray]:
    """Name to joints (L, M, V, C)."""
    return {name: store.joints(*store.offsets[i : i + 2]) for i, name in enumerate(store.names)}
