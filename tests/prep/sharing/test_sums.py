"""Beside the arrays: sums in manifest.json, the data card, extra files; one writer per pushed folder; left-overs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from helpers.forgeries import rewrite
from helpers.shell import Shell
from helpers.stores import embed, make_store

from prep.errors import PrepError
from prep.files import WRITING, locked
from prep.progress import result
from prep.sharing.card import CARD, card
from prep.sharing.pull import pull
from prep.sharing.push import push
from prep.sharing.transfer import ShareError
from prep.store.manifest import MANIFEST
from prep.store.read import open_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "s.zarr", clips_per_class=1)


def test_another_sum_in_the_manifest_is_named_though_every_array_is_right(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    manifest["files"]["label/c/0"]["sha256"] = "0" * 64
    (store / MANIFEST).write_text(json.dumps(manifest))
    done = Shell()(f"fsprep verify {store}")
    assert done.exit_code == 2
    assert "manifest.json lists another sha256 for label/c/0. Nobody can fetch it like this" in done.stderr


def test_a_changed_card_and_extra_files_are_named(store: Path) -> None:
    (store / CARD).write_text(card(open_store(store)))
    assert Shell()(f"fsprep verify {store}").stdout.count("\n") == 1
    (store / CARD).write_text("# Buy now")
    (store / "sitecustomize.py").write_text("")
    done = Shell()(f"fsprep verify {store}")
    assert done.exit_code == 0
    assert "card.md is not the card of this store" in done.stdout
    assert "1 files that belong to no array: sitecustomize.py" in done.stdout
    record = json.loads(Shell()(f"fsprep verify {store} --json").stdout)
    assert (record["card"], record["extra"]) == (False, ["sitecustomize.py"])


def test_a_second_push_says_already_there(store: Path, tmp_path: Path) -> None:
    for words in ("", "Already there.\n"):
        done = Shell()(f"fsprep push {store} {tmp_path / 'there.zarr'}")
        assert done.exit_code == 0
        assert done.stdout.startswith(f"{words}{tmp_path}/there.zarr holds the store")
    for words in ("", "Already there.\n"):
        done = Shell()(f"fsprep push {store} {tmp_path / 'recipe'} --recipe-only")
        assert done.exit_code == 0
        assert done.stdout.startswith(f"{words}{tmp_path}/recipe holds the recipe")


def test_a_push_clears_what_killed_ones_left_and_nothing_else(store: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.zarr"
    left = there / f"label/c/0.{uuid4().hex}{WRITING}"
    other = there / f"label/notes{WRITING}"
    left.parent.mkdir(parents=True)
    for file in (left, other):
        file.write_bytes(b"half")
    result(push(open_store(store), str(there)))
    assert not left.exists()
    assert other.read_bytes() == b"half"


def test_a_folder_has_one_writer(store: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "there.zarr.pushing"),
        pytest.raises(PrepError, match=r"there.zarr.pushing: another command is writing here, process \d+"),
    ):
        result(push(open_store(store), str(tmp_path / "there.zarr")))
    assert not (tmp_path / "there.zarr").exists()


def test_a_store_is_readable_while_an_embedding_is_added(store: Path, tmp_path: Path) -> None:
    result(push(open_store(store), str(tmp_path / "there.zarr")))
    embed(store)
    steps = push(open_store(store), str(tmp_path / "there.zarr"), jobs=1)
    while next(steps).stage:
        continue
    assert not open_store(tmp_path / "there.zarr").embeddings
    for _ in steps:
        continue
    assert open_store(tmp_path / "there.zarr").embeddings


def test_a_forged_embedding_is_not_entered(store: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zarr"
    result(pull(str(store), mine))
    before = open_store(mine).manifest
    embed(store)
    rewrite(store, "embeddings/xclip/text", lambda vectors: vectors[::-1].astype(np.float32))
    with pytest.raises(ShareError, match="are not the store that its digest stands for.*array `text` that differs"):
        result(pull(str(store), mine))
    assert open_store(mine).manifest == before
    assert not (mine / "embeddings" / "xclip" / "text" / "zarr.json").exists()


def test_a_named_pipe_in_a_store_is_not_opened(store: Path, tmp_path: Path) -> None:
    (store / "label" / "c" / "0").unlink()
    os.mkfifo(store / "label" / "c" / "0")
    for line in (f"verify {store}", f"push {store} {tmp_path / 'x'}", f"pull {store} --out {tmp_path / 'y'}"):
        done = Shell()(f"fsprep {line}")
        assert done.exit_code == 2, done.output
        assert "label/c/0" in done.stderr
