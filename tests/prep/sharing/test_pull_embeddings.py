"""Embeddings that were added at a URL after a store was fetched from it are fetched alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.stores import embed, make_store, text_metadata

from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import Step, result
from prep.sharing import pull_embeddings as pulling
from prep.sharing.card import CARD, card
from prep.sharing.pull import pull
from prep.sharing.transfer import ShareError
from prep.storage.folder import Folder
from prep.store.embeddings import open_embedding
from prep.store.keep_embedding import keep_texts
from prep.store.manifest import MANIFEST, StoreError
from prep.store.read import open_store


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return make_store(tmp_path / "remote.zarr", clips_per_class=2)


@pytest.fixture
def local(remote: Path, tmp_path: Path) -> Path:
    """A copy, fetched before anything was embedded."""
    list(pull(str(remote), tmp_path / "local.zarr"))
    return tmp_path / "local.zarr"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files as they are fetched."""
    names: list[str] = []
    stream = Folder.stream

    def noted(self: Folder, name: str, start: int) -> Any:
        names.append(name)
        return stream(self, name, start)

    monkeypatch.setattr(Folder, "stream", noted)
    return names


def arrays(path: Path, name: str = "xclip") -> list[np.ndarray]:
    embedding = open_embedding(open_store(path), name)
    return [embedding.video, embedding.done, embedding.frames, embedding.text]


def equal(one: Path, other: Path, name: str = "xclip") -> bool:
    return all(map(np.array_equal, arrays(one, name), arrays(other, name)))


def test_only_new_embeddings_are_fetched(remote: Path, local: Path, read: list[str]) -> None:
    embed(local, name="mine", seed=5)
    mine = arrays(local, "mine")
    store = embed(remote, missing=(1,))
    steps = list(pull(str(remote), local))
    size = sum(entry.bytes for file, entry in store.files.items() if file.startswith("embeddings/"))
    assert steps[-1] == Step(size, size)
    assert set(read) == {file for file in store.files if file.startswith("embeddings/")}
    assert equal(local, remote)
    assert all(map(np.array_equal, mine, arrays(local, "mine")))
    extended = open_store(local)
    list(verify(extended))
    assert extended.manifest.embedded.keys() == {"mine/video", "mine/text", "xclip/video", "xclip/text"}
    assert (local / CARD).read_text() == card(extended)
    assert not local.with_name("local.zarr.embedding").exists()
    read.clear()
    assert not result(pull(str(remote), local))
    assert read == []


def test_a_stopped_pull_is_continued(
    remote: Path, local: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(remote)
    steps = pull(str(remote), local, jobs=1)
    while len(read) < 4:
        next(steps)
    steps.close()
    assert not open_store(local).manifest.embedded
    kept, move = set(read[:3]), pulling._move
    read.clear()

    def killed(*arguments: Any) -> None:
        move(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(pulling, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        list(pull(str(remote), local))
    assert not kept & set(read)
    assert not open_store(local).manifest.embedded
    monkeypatch.setattr(pulling, "_move", move)
    list(pull(str(remote), local))
    assert equal(local, remote)
    list(verify(open_store(local)))


def test_class_names_are_fetched_after_videos(remote: Path, local: Path) -> None:
    embed(remote)
    list(pull(str(remote), local))
    words = open_store(remote)
    keep_texts(words, "words", np.ones((24, 4), np.float32), text_metadata())
    list(pull(str(remote), local))
    np.testing.assert_array_equal(open_embedding(open_store(local), "words").text, np.ones((24, 4)))


def test_local_embeddings_are_not_overwritten(remote: Path, local: Path, tmp_path: Path) -> None:
    embed(remote)
    # Only class names, but of another making: the videos would not fit them.
    keep_texts(open_store(local), "xclip", np.ones((24, 16), np.float32), text_metadata(weights="b" * 64))
    with pytest.raises(ShareError, match="holds another embedding `xclip` than .+remote.zarr. Choose another --out"):
        list(pull(str(remote), local))
    assert (open_embedding(open_store(local), "xclip").text == 1).all()
    other = make_store(tmp_path / "other.zarr", clips_per_class=2, seed=1)
    with pytest.raises(ShareError, match="other.zarr: exists, and is not the store at"):
        list(pull(str(remote), other))
    assert not open_store(other).manifest.embedded


def outside(manifest: dict[str, Any]) -> None:
    manifest["embedded"]["xclip/video"]["arrays"]["joints"] = "0" * 64


def elsewhere(manifest: dict[str, Any]) -> None:
    manifest["embedded"]["../x/video"] = manifest["embedded"].pop("xclip/video")


def another_part(manifest: dict[str, Any]) -> None:
    manifest["embedded"]["xclip/joints"] = manifest["embedded"].pop("xclip/video")


def without_files(manifest: dict[str, Any]) -> None:
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if "xclip/done" not in name}


@pytest.mark.parametrize("change", [outside, elsewhere, another_part, without_files])
def test_a_manifest_that_lists_other_arrays_is_refused(
    remote: Path, local: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    embed(remote)
    manifest = json.loads((remote / MANIFEST).read_text())
    change(manifest)
    (remote / MANIFEST).write_text(json.dumps(manifest))
    before = open_store(local).manifest
    with pytest.raises(StoreError, match="is not an embedding of this format"):
        list(pull(str(remote), local))
    assert open_store(local).manifest == before
    list(verify(open_store(local)))


def test_one_writer_at_a_time(remote: Path, local: Path) -> None:
    embed(remote)
    steps = pull(str(remote), local)
    next(steps)
    with pytest.raises(PrepError, match="another command is writing here"):
        list(pull(str(remote), local))
    for _ in steps:
        continue
    assert equal(local, remote)


def test_leftover_files_are_replaced(remote: Path, local: Path) -> None:
    embed(remote)
    shutil.copytree(remote / "embeddings" / "xclip" / "video", local / "embeddings" / "xclip" / "video")
    (local / "embeddings" / "xclip" / "video" / "zarr.json").write_text("half")
    list(pull(str(remote), local))
    assert equal(local, remote)
