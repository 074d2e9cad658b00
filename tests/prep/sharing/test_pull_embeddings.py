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
def there(tmp_path: Path) -> Path:
    return make_store(tmp_path / "there.zarr", clips_per_class=2)


@pytest.fixture
def here(there: Path, tmp_path: Path) -> Path:
    """A copy, fetched before anything was embedded."""
    list(pull(str(there), tmp_path / "here.zarr"))
    return tmp_path / "here.zarr"


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


def test_only_what_was_added_is_fetched(there: Path, here: Path, read: list[str]) -> None:
    embed(here, name="mine", seed=5)
    mine = arrays(here, "mine")
    store = embed(there, missing=(1,))
    steps = list(pull(str(there), here))
    size = sum(entry.bytes for file, entry in store.files.items() if file.startswith("embeddings/"))
    assert steps[-1] == Step(size, size)
    assert set(read) == {file for file in store.files if file.startswith("embeddings/")}
    assert equal(here, there)
    assert all(map(np.array_equal, mine, arrays(here, "mine")))
    found = open_store(here)
    list(verify(found))
    assert found.manifest.embedded.keys() == {"mine/video", "mine/text", "xclip/video", "xclip/text"}
    assert (here / CARD).read_text() == card(found)
    assert not here.with_name("here.zarr.embedding").exists()
    read.clear()
    assert not result(pull(str(there), here))
    assert read == []


def test_a_pull_that_was_stopped_goes_on(
    there: Path, here: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(there)
    steps = pull(str(there), here, jobs=1)
    while len(read) < 4:
        next(steps)
    steps.close()
    assert not open_store(here).manifest.embedded
    kept, move = set(read[:3]), pulling._move
    read.clear()

    def killed(*arguments: Any) -> None:
        move(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(pulling, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        list(pull(str(there), here))
    assert not kept & set(read)
    assert not open_store(here).manifest.embedded
    monkeypatch.setattr(pulling, "_move", move)
    list(pull(str(there), here))
    assert equal(here, there)
    list(verify(open_store(here)))


def test_the_names_of_an_encoder_follow_its_videos(there: Path, here: Path) -> None:
    embed(there)
    list(pull(str(there), here))
    words = open_store(there)
    keep_texts(words, "words", np.ones((24, 4), np.float32), text_metadata())
    list(pull(str(there), here))
    np.testing.assert_array_equal(open_embedding(open_store(here), "words").text, np.ones((24, 4)))


def test_what_is_here_is_not_overwritten(there: Path, here: Path, tmp_path: Path) -> None:
    embed(there)
    # Only class names, but of another making: the videos would not fit them.
    keep_texts(open_store(here), "xclip", np.ones((24, 16), np.float32), text_metadata(weights="b" * 64))
    with pytest.raises(ShareError, match="holds another embedding `xclip` than .+there.zarr. Choose another --out"):
        list(pull(str(there), here))
    assert (open_embedding(open_store(here), "xclip").text == 1).all()
    other = make_store(tmp_path / "other.zarr", clips_per_class=2, seed=1)
    with pytest.raises(ShareError, match="other.zarr: exists, and is not the store at"):
        list(pull(str(there), other))
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
def test_a_manifest_that_names_other_arrays_is_not_followed(
    there: Path, here: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    embed(there)
    manifest = json.loads((there / MANIFEST).read_text())
    change(manifest)
    (there / MANIFEST).write_text(json.dumps(manifest))
    before = open_store(here).manifest
    with pytest.raises(StoreError, match="is not an embedding of this format. Do not trust this origin"):
        list(pull(str(there), here))
    assert open_store(here).manifest == before
    list(verify(open_store(here)))


def test_nobody_else_writes_meanwhile(there: Path, here: Path) -> None:
    embed(there)
    steps = pull(str(there), here)
    next(steps)
    with pytest.raises(PrepError, match="another command is writing here"):
        list(pull(str(there), here))
    for _ in steps:
        continue
    assert equal(here, there)


def test_what_was_left_in_the_way_is_replaced(there: Path, here: Path) -> None:
    embed(there)
    shutil.copytree(there / "embeddings" / "xclip" / "video", here / "embeddings" / "xclip" / "video")
    (here / "embeddings" / "xclip" / "video" / "zarr.json").write_text("half")
    list(pull(str(there), here))
    assert equal(here, there)
