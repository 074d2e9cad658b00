"""Stores from a hostile server: names, files and headers are refused before they reach the disk or the memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.store.manifest import MANIFEST, StoreError, store_digest
from prep.store.read import Store, open_store


def forge(path: Path, file: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one JSON file of a store, and its manifest so that it fits: what a hostile server can do."""
    content = json.loads((path / file).read_text())
    change(content)
    (path / file).write_text(json.dumps(content))
    manifest = json.loads((path / MANIFEST).read_text())
    text = (path / file).read_bytes()
    manifest["files"][file] = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    manifest["digest"] = store_digest(attributes, manifest["arrays"])
    (path / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("key", ["dataset", "subset", "preprocessing"])
@pytest.mark.parametrize("name", ["/abs/evil", "../../evil", "a\nb", "a\x1b[2J", "a" * 300, "-rf", "a b", "\u202ea"])
def test_a_name_that_is_no_plain_name_is_refused(store: Path, key: str, name: str) -> None:
    forge(store, "zarr.json", lambda content: content["attributes"].update({key: name}))
    with pytest.raises(StoreError, match=f"{key} is .*it must be 1 to 64 letters, digits, _ and -") as caught:
        open_store(store)
    assert str(caught.value).removeprefix(f"{store}").isprintable()


@pytest.mark.parametrize("key", ["dataset", "preprocessing"])
def test_an_empty_name_is_refused(store: Path, key: str) -> None:
    forge(store, "zarr.json", lambda content: content["attributes"].update({key: ""}))
    with pytest.raises(StoreError, match=f"{key} is ''"):
        open_store(store)


@pytest.mark.parametrize(
    "file",
    [
        "sitecustomize.py",
        ".hidden",
        "../../etc/hostname",
        "/etc/hostname",
        "joints/c/../../x",
        "label/c/0.py",
        "joints\\c",
        "evil/zarr.json",
        "embeddings/x/evil/c/0",
        "embeddings/.x/video/c/0/0",
        "label/c/0/",
        "label/zarr.json\n",
        "card.md",
        "manifest.json",
        "",
    ],
)
def test_a_file_that_the_format_does_not_have_is_refused(store: Path, file: str) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    manifest["files"][file] = {"bytes": 3, "sha256": ""}
    (store / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="which is not a file of a store. Do not trust its origin"):
        open_store(store)


def test_a_negative_size_is_refused(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    manifest["files"]["zarr.json"]["bytes"] = -1
    (store / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="lists zarr.json with -1 bytes"):
        open_store(store)


def rows(count: int) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["shape"][0] = count
        content["chunk_grid"]["configuration"]["chunk_shape"][0] = count

    return change


def chunk(size: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["chunk_grid"]["configuration"]["chunk_shape"][0] = size

    return change


HOSTILE: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "two thousand million rows": ("label", rows(2 * 10**9), "`label` has shape .*it must have shape"),
    "rows beyond any memory": ("start", rows(10**18), "`start` has shape"),
    "too many offsets": ("offsets", rows(2 * 10**9), "`offsets` has 2000000000 rows, too many for"),
    "one row too few": ("source", rows(71), "`source` has shape"),
    "offsets of one clip more": ("offsets", rows(74), "has shape"),
    "wide names": ("names", lambda content: content.update(shape=[72, 10**9]), "`names` has 1000000000 bytes per name"),
    "a chunk beyond the array": ("label", chunk(2 * 10**9), "chunks of .2000000000,."),
    "a chunk of zero": ("label", chunk(0), "which are not whole numbers"),
    "a chunk that is no number": ("label", chunk("9" * 10_000), "which are not whole numbers"),
    "a large shard": ("joints", chunk(2**40), "`joints` has shape"),
    "another type": ("label", lambda content: content.update(data_type="float64"), "data type float64"),
    "other chunk names": (
        "label",
        lambda content: content["chunk_key_encoding"].update(name="v2"),
        "a regular grid and default chunk keys",
    ),
    "another separator": (
        "label",
        lambda content: content["chunk_key_encoding"]["configuration"].update(separator="."),
        "a regular grid and default chunk keys",
    ),
    "no array": ("label", lambda content: content.update(node_type="group"), "is not the header of a zarr v3 array"),
    "nothing": ("label", lambda content: content.clear(), "is not the header of a zarr v3 array"),
    "many axes": ("offsets", lambda content: content.update(shape=[1] * 3), "it must have 1 axes"),
    "another codec": ("label", lambda content: content["codecs"].pop(1), "the codecs bytes, crc32c, it must have"),
    "big-endian numbers": (
        "label",
        lambda content: content["codecs"][0].update(configuration={"endian": "big"}),
        "has a codec that this format does not have",
    ),
    "shards in shards": (
        "joints",
        lambda content: content["codecs"][0]["configuration"].update(codecs=json.loads(json.dumps(content["codecs"]))),
        "`joints` has shape|is not the header",
    ),
    "more frames": ("joints", rows(10**12), "frames need 15258790 shards, 1 are listed"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_header_that_does_not_fit_is_refused_before_anything_is_read(
    store: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, change, words = HOSTILE[case]
    forge(store, f"{array}/zarr.json", change)
    monkeypatch.setattr(Store, "read", lambda *_: pytest.fail("an array was read"))
    with pytest.raises(StoreError, match=words):
        open_store(store)


@pytest.mark.parametrize("fps", [0, -30, float("nan"), float("inf")])
def test_a_frame_rate_that_is_no_positive_number_is_refused(store: Path, fps: float) -> None:
    forge(store, "zarr.json", lambda content: content["attributes"].update(fps=fps))
    with pytest.raises(StoreError, match="fps is|is no number of JSON"):
        open_store(store)


def test_lists_beyond_measure_are_not_parsed(store: Path) -> None:
    (store / MANIFEST).write_bytes(b'{"format": 4, "x": [' + b"[]," * 2_000_000 + b"[]]}")
    with pytest.raises(StoreError, match=r"manifest.json is damaged .2000003 lists and objects in"):
        open_store(store)


def test_consolidated_metadata_is_not_believed(store: Path) -> None:
    header = json.loads((store / "label" / "zarr.json").read_text())
    rows(2 * 10**9)(header)
    entry = {"kind": "inline", "must_understand": False, "metadata": {"label": header}}
    forge(store, "zarr.json", lambda content: content.update(consolidated_metadata=entry))
    assert open_store(store).label.shape == (72,)


def test_an_unlisted_chunk_is_not_read_as_zeros(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    del manifest["files"]["label/c/0"]
    (store / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="label/c/0 is not listed"):
        open_store(store)
