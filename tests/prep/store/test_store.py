"""Stores: a round trip is exact, damage is detected, and unfinished or foreign stores are refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import info, make_store
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.curate.verify import verify
from prep.store.arrays import BLOCK, PER_CLIP
from prep.store.frames import Frames
from prep.store.manifest import FORMAT, MANIFEST, RECIPE, StoreError, write_manifest
from prep.store.read import open_store
from prep.store.write import create, finalise, pack_text, write_block


def check(path: Path) -> None:
    for _ in verify(open_store(path)):
        continue


def test_a_store_is_read_as_written(store: Path) -> None:
    opened = open_store(store)
    assert opened.shape == (1, 25, 3)
    assert len(opened) == 72 == len(opened.names)
    assert opened.offsets[-1] == opened.frames == len(opened.joints()) == len(opened.body_mask)
    assert opened.info.classes[int(opened.label[0])] == "wave right hand"
    np.testing.assert_array_equal(opened.joints(5, 9), opened.joints()[5:9])
    check(store)


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_round_trip_is_exact_across_blocks(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "s.zarr"
    lengths = data.draw(st.lists(st.sampled_from([0, 1, 7, 1024, 40_000, BLOCK]), min_size=1, max_size=4))
    rng = np.random.default_rng(sum(lengths))
    joints = rng.standard_normal((sum(lengths), 1, 25, 3)).astype(np.float32)
    mask = rng.random((len(joints), 1)) > 0.5
    create(path, info(), len(joints), (1, 25, 3))
    origin = rng.standard_normal((len(joints), 3)).astype(np.float32)
    frames = Frames(joints, mask, origin)
    blocks = [write_block(path, i, frames[i * BLOCK : (i + 1) * BLOCK]) for i in range(-(-len(joints) // BLOCK))]
    small = {name: np.zeros(len(lengths), dtype) for name, dtype in PER_CLIP.items()}
    names = [f"clip-é-{i}" for i in range(len(lengths))]
    small |= {
        "offsets": np.cumsum([0, *lengths]),
        "names": pack_text(names),
        "source": np.zeros((len(lengths), 32), "u1"),
        "to_recorded": rng.standard_normal((len(lengths), 3, 3)).astype(np.float32),
    }
    finalise(path, small, blocks[::-1])
    opened = open_store(path)
    np.testing.assert_array_equal(opened.joints(), joints)
    np.testing.assert_array_equal(opened.body_mask, mask)
    np.testing.assert_array_equal(opened.origin(), origin)
    np.testing.assert_array_equal(opened.origin(3, 5), origin[3:5])
    np.testing.assert_array_equal(opened.to_recorded, small["to_recorded"])
    assert opened.names == tuple(names)
    check(path)


def test_the_digest_covers_the_content(whole: Path, tmp_path: Path) -> None:
    again = make_store(tmp_path / "again.zarr", clips_per_class=3)
    other = make_store(tmp_path / "other.zarr", clips_per_class=3, seed=1)
    assert open_store(again).digest == open_store(whole).digest != open_store(other).digest


def test_an_unfinished_store_is_refused(store: Path) -> None:
    (store / MANIFEST).unlink()
    with pytest.raises(StoreError, match=r"has no manifest\.json, so it is unfinished or no store"):
        open_store(store)
    store.rename(store.with_name("copy.zarr.building"))
    with pytest.raises(StoreError, match="the build is not finished. Run the same `fsprep build` again"):
        open_store(store)


def test_an_absent_store_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store there. `fsprep list` shows the stores; `fsprep build` makes one"):
        open_store(tmp_path / "none.zarr")


def test_a_newer_store_is_refused(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps({**manifest, "format": FORMAT + 1}))
    with pytest.raises(
        StoreError, match=f"has store format {FORMAT + 1}, this version reads {FORMAT}. Upgrade fewshot-skeleton"
    ):
        open_store(store)


def test_an_older_store_is_built_again(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps({**manifest, "format": FORMAT - 1}))
    with pytest.raises(
        StoreError,
        match=f"has store format {FORMAT - 1}, this version reads {FORMAT}. Build it again .*build",
    ):
        open_store(store)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 4}',
        '{"format": 4, "arrays": 3, "files": 4, "digest": 5}',
        '{"format": Infinity}',
        '{"format": ' + "[" * 200_000 + "}",
    ],
    ids=range(7),
)
def test_a_damaged_manifest_is_refused(store: Path, content: str) -> None:
    (store / MANIFEST).write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json.* is damaged"):
        open_store(store)


def test_a_flipped_byte_in_any_file_is_detected(whole: Path, tmp_path: Path) -> None:
    files = [file for file in sorted(whole.rglob("*")) if file.is_file()]
    assert len(files) > 20
    for number, file in enumerate(files):
        copy = Path(shutil.copytree(whole, tmp_path / f"{number}.zarr"))
        target = copy / file.relative_to(whole)
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 0x10
        target.write_bytes(content)
        with pytest.raises(StoreError):
            check(copy)


def test_a_missing_shard_is_not_read_as_zeros(store: Path) -> None:
    shard = next(file for file in (store / "joints" / "c").rglob("*") if file.is_file())
    shard.unlink()
    with pytest.raises(StoreError, match="is missing or not"):
        open_store(store)


@pytest.mark.parametrize("name", ["joints", "origin", "to_recorded"])
def test_values_that_are_not_finite_fail_the_check(tmp_path: Path, name: str) -> None:
    path = tmp_path / "nan.zarr"
    arrays = {"joints": np.zeros((2, 1, 25, 3), "f4"), "origin": np.zeros((2, 3), "f4"), "to_recorded": np.eye(3)[None]}
    arrays = {key: values.astype(np.float32) * (np.nan if key == name else 1) for key, values in arrays.items()}
    create(path, info(), 2, (1, 25, 3))
    block = write_block(path, 0, Frames(arrays["joints"], np.ones((2, 1), bool), arrays["origin"]))
    small = {name: np.zeros(1, dtype) for name, dtype in PER_CLIP.items()}
    small |= {"offsets": np.array([0, 2]), "names": pack_text(["a"]), "source": np.zeros((1, 32), "u1")}
    finalise(path, small | {"to_recorded": arrays["to_recorded"]}, [block])
    with pytest.raises(StoreError, match="not finite"):
        check(path)


def test_an_unfinished_pull_and_a_shared_recipe_are_named(tmp_path: Path) -> None:
    (tmp_path / "s.zarr.pulling").mkdir()
    with pytest.raises(StoreError, match="only a part is fetched. Run the same `fsprep pull` again"):
        open_store(tmp_path / "s.zarr")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / RECIPE).write_text("{}")
    with pytest.raises(StoreError, match="holds the recipe of a store, not a store. .*`fsprep rebuild"):
        open_store(tmp_path / "r")


def test_the_manifest_is_written_last_and_whole(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copytree(whole, tmp_path / "s.zarr"))
    before = (path / MANIFEST).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(path, {}, {})
    assert (path / MANIFEST).read_bytes() == before
    assert not list(path.rglob("*.writing"))


def test_a_stray_file_is_no_part_of_a_store(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(whole, tmp_path / "s.zarr"))
    (path / ".DS_Store").write_bytes(b"x")
    manifest = open_store(path).manifest
    write_manifest(path, json.loads((path / "zarr.json").read_text())["attributes"], manifest.arrays)
    assert open_store(path).manifest == manifest
