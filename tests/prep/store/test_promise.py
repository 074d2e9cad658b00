"""A digest is a promise: a store whose arrays do not give its digest is refused by all who use it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from helpers.forgeries import redigest, relist, rewrite
from jaxtyping import config

from episodes.pool import Pool
from prep.curate.summary import summarise
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import result
from prep.sharing.pull import pull
from prep.sharing.push import push
from prep.store.manifest import MANIFEST, StoreError
from prep.store.read import open_store


def load(path: Path) -> Pool:
    """A pool as training loads it, unchecked: a check of the store's type would read, and swallow, what it raises."""
    config.update("jaxtyping_disable", True)
    try:
        return Pool.load(open_store(path), keep=[0])
    finally:
        config.update("jaxtyping_disable", False)


RANDOM = np.random.default_rng(0)
FORGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "joints": lambda joints: RANDOM.standard_normal(joints.shape).astype(np.float32),
    "origin": lambda origin: origin + 1,
    "body_mask": np.logical_not,
    "label": lambda label: label[::-1].copy(),
    "offsets": lambda offsets: np.concatenate([offsets[:1], offsets[1:-1] - 1, offsets[-1:]]),
    "to_recorded": lambda matrices: 2 * matrices,
    "names": lambda names: names[::-1].copy(),
}
USES: dict[str, Callable[[Path, Path], object]] = {
    "verify": lambda path, out: result(verify(open_store(path))),
    "push": lambda path, out: result(push(open_store(path), str(out))),
    "pull": lambda path, out: result(pull(str(path), out)),
    "train": lambda path, out: load(path),
}


@pytest.mark.parametrize("array", FORGED)
def test_other_arrays_under_an_honest_digest_are_refused(store: Path, tmp_path: Path, array: str) -> None:
    honest = open_store(store).digest
    rewrite(store, array, FORGED[array])
    assert open_store(store).digest == honest
    for use in USES.values():
        with pytest.raises(PrepError, match=f"`{array}` differs from its digest"):
            use(store, tmp_path / "out.zarr")
    assert [path.name for path in tmp_path.iterdir() if path != store] in ([], ["out.zarr.pulling"])
    assert not list(tmp_path.glob("*/store"))


IMPOSSIBLE: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], str]] = {
    "a label beyond the classes": ("label", lambda label: label + 2, "a label lies outside the 24 classes"),
    "a negative label": ("label", lambda label: label - 1, "a label lies outside the 24 classes"),
    "NaN": ("joints", lambda joints: joints * np.float32(np.nan), "frames 0 to .* hold values that are not finite"),
    "an endless origin": ("origin", lambda origin: origin + np.float32(np.inf), "hold values that are not finite"),
    "an endless map": (
        "to_recorded",
        lambda maps: maps + np.float32(np.inf),
        "`to_recorded` holds values that are not",
    ),
    "offsets that fall": (
        "offsets",
        lambda values: np.r_[values[:1], values[1:-1][::-1], values[-1:]],
        "does not divide",
    ),
    "equal names": ("names", lambda names: names[[0] * len(names)], "two clips have the same name"),
    "names of other bytes": ("names", lambda names: names | 0x80, "`names` is damaged"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_values_that_no_store_has_are_refused_whatever_the_digest(store: Path, tmp_path: Path, case: str) -> None:
    array, change, words = IMPOSSIBLE[case]
    rewrite(store, array, change)
    redigest(store)
    for use in ("verify", "train"):
        with pytest.raises(PrepError, match=words):
            USES[use](store, tmp_path / "out.zarr")


def test_a_forged_label_does_not_reach_a_summary(store: Path) -> None:
    rewrite(store, "label", FORGED["label"])
    with pytest.raises(StoreError, match="`label` differs from its digest"):
        summarise(open_store(store))


def test_a_chunk_that_claims_more_than_its_shape_is_not_unpacked(store: Path) -> None:
    chunk = store / "label" / "c" / "0"
    content = bytearray(chunk.read_bytes()[:-4])
    content[4:8] = struct.pack("<I", 2**31 - 1)
    chunk.write_bytes(bytes(content) + struct.pack("<I", google_crc32c.value(bytes(content))))
    relist(store, "label/c/0")
    with pytest.raises(StoreError, match="`label` is damaged .a chunk claims 2,147,483,647 bytes, and has 288"):
        _ = open_store(store).label


def test_a_manifest_of_400_000_files_is_not_parsed(store: Path) -> None:
    entry = '"joints/c/0/0/0/0": {"bytes": 1, "sha256": "'.ljust(135, "0") + '"},\n'
    (store / MANIFEST).write_text('{"files": {' + entry * 400_000)
    with pytest.raises(PrepError, match=r"manifest.json has [\d,]+ bytes, at most 16,777,216 are read") as caught:
        open_store(store)
    assert len(str(caught.value)) < 300


def test_missing_headers_are_counted_and_a_few_named(store: Path) -> None:
    for header in store.glob("*/zarr.json"):
        header.unlink()
    with pytest.raises(StoreError, match=r"(\w+/zarr.json, ){4}\w+/zarr.json and 15 more was altered"):
        open_store(store)
