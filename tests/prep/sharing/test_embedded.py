"""Sharing stores with embeddings: they are sent along, and embeddings added later are sent alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.stores import embed, make_store, text_metadata, video_metadata

from prep.curate.verify import verify
from prep.sharing.card import CARD, card
from prep.sharing.pull import pull
from prep.sharing.push import push
from prep.sharing.rebuild import push_recipe, read_recipe
from prep.sharing.transfer import ShareError
from prep.storage.folder import Folder
from prep.store.embeddings import open_embedding
from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.manifest import MANIFEST
from prep.store.read import open_store


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return make_store(tmp_path / "local.zarr", clips_per_class=2)


@pytest.fixture
def remote(tmp_path: Path) -> str:
    return str(tmp_path / "remote.zarr")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files as they are written."""
    names: list[str] = []
    write = Folder.write

    def noted(self: Folder, name: str, content: bytes | Path) -> None:
        names.append(name)
        write(self, name, content)

    monkeypatch.setattr(Folder, "write", noted)
    return names


def sent(path: Path, target: str, **how: bool) -> None:
    steps = list(push(open_store(path), target, **how))
    assert steps[-1].done == steps[-1].total


def test_embeddings_are_sent_with_the_clips(local: Path, remote: str, tmp_path: Path) -> None:
    store = embed(local, missing=(1,))
    sent(local, remote)
    list(pull(remote, tmp_path / "back.zarr"))
    back = open_store(tmp_path / "back.zarr")
    assert back.manifest == store.manifest
    list(verify(back))
    ours, theirs = open_embedding(store, "xclip"), open_embedding(back, "xclip")
    for array in ("video", "done", "frames", "text"):
        np.testing.assert_array_equal(getattr(ours, array), getattr(theirs, array))
    assert (tmp_path / "back.zarr" / CARD).read_text() == (Path(remote) / CARD).read_text() == card(store)


def test_an_embedding_added_later_is_sent_alone(local: Path, remote: str, written: list[str]) -> None:
    sent(local, remote)
    written.clear()
    store = embed(local)
    sent(local, remote)
    new = {file for file in store.files if file.startswith("embeddings/")}
    assert set(written) == {*new, CARD, MANIFEST}
    assert open_store(remote).manifest == store.manifest
    list(verify(open_store(remote)))


def test_a_push_of_an_addition_that_was_stopped_is_continued(local: Path, remote: str, written: list[str]) -> None:
    sent(local, remote)
    store = embed(local)
    steps = push(store, remote, jobs=1)
    for _ in steps:
        if any(name.startswith("embeddings/") for name in written):
            break
    steps.close()
    assert not open_store(remote).embeddings  # still the store without them
    before = {name for name in written if name.startswith("embeddings/")}
    written.clear()
    sent(local, remote)
    assert before
    assert not before & set(written)
    assert open_store(remote).manifest == store.manifest


def test_a_fetched_store_is_embedded_and_sent_back(local: Path, remote: str, tmp_path: Path) -> None:
    sent(local, remote)
    list(pull(remote, tmp_path / "mine.zarr"))
    assert (tmp_path / "mine.zarr" / CARD).exists()
    mine = embed(tmp_path / "mine.zarr", name="other")
    assert CARD not in mine.files
    sent(tmp_path / "mine.zarr", remote)
    list(pull(remote, tmp_path / "again.zarr"))
    assert set(open_store(tmp_path / "again.zarr").manifest.embedded) == {"other/video", "other/text"}
    assert "`other`: xclip" in (tmp_path / "again.zarr" / CARD).read_text()


def test_a_replaced_embedding_is_sent(local: Path, remote: str, tmp_path: Path) -> None:
    embed(local)
    sent(local, remote)
    store = embed(local, seed=1, width=8)
    sent(local, remote)
    list(pull(remote, tmp_path / "back.zarr"))
    np.testing.assert_array_equal(
        open_embedding(open_store(tmp_path / "back.zarr"), "xclip").video, open_embedding(store, "xclip").video
    )


def test_other_clips_with_an_embedding_are_another_store(local: Path, remote: str, tmp_path: Path) -> None:
    embed(local)
    sent(local, remote)
    other = make_store(tmp_path / "other.zarr", clips_per_class=2, seed=1)
    embed(other)
    with pytest.raises(ShareError, match="holds a store with digest"):
        sent(other, remote)
    sent(other, remote, replace=True)
    list(verify(open_store(remote)))


def test_the_card_lists_embeddings(local: Path) -> None:
    assert "## Embeddings" not in card(open_store(local))
    text = card(embed(local, missing=(1, 2)))
    weights = "a" * 64
    for words in (
        "## Embeddings\n\nVectors of frozen encoders, added after the build: of paired videos and of class names.",
        f"- `xclip`: xclip, 16 dimensions; weights microsoft/xclip, digest `{weights}`; ",
        'videos of 46 of 48 clips (8 frames, crop joints, float32); 24 classes (prompt "{name}")\n',
    ):
        assert words in text
    assert "RANDOM" not in text
    values, done, frames = np.zeros((48, 4), np.float32), np.ones(48, bool), np.zeros(48, np.int32)
    keep_videos(
        open_store(local), "tiny", values, done, frames, video_metadata(random=True, encoder="tiny", weights="")
    )
    store = keep_texts(open_store(local), "words", np.zeros((24, 4), np.float32), text_metadata())
    text = card(store)
    assert "`tiny`: tiny, 4 dimensions; weights microsoft/xclip, digest unknown; RANDOM weights: the vec" in text
    assert "- `words`: xclip, 4 dimensions; weights microsoft/xclip, digest" in text
    assert text.count("videos of") == 2


def test_a_recipe_has_no_embeddings(local: Path, remote: str) -> None:
    bare = card(open_store(local), recipe_only=True)
    store = embed(local)
    assert card(store, recipe_only=True) == bare
    push_recipe(store, remote)
    assert read_recipe(remote).embeddings == ()
    assert "xclip" not in (Path(remote) / CARD).read_text()
