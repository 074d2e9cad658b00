"""Embeddings of merged stores: each clip keeps its vector, and embeddings with other settings are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import embed, info, text_metadata, video_metadata, write_clips

from prep.curate import merge_embeddings as merging
from prep.curate.merge import merge
from prep.curate.merge_embeddings import left_out
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import result
from prep.store.embeddings import open_embedding
from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.read import Store, open_store


def store(path: Path, names: list[str]) -> Store:
    """A store of these clips, each of one frame that depends on its name alone."""
    clips = [np.full((1, 1, 20, 3), sum(name.encode()), np.float32) for name in names]
    return open_store(write_clips(path, info("nw_ucla"), names, [0] * len(names), clips))


def merged(stores: list[Store], out: Path) -> Store:
    result(merge(reopened(stores), out))
    whole = open_store(out)
    result(verify(whole))
    return whole


def reopened(stores: list[Store]) -> list[Store]:
    return [open_store(store.path) for store in stores]


@pytest.fixture
def three(tmp_path: Path) -> list[Store]:
    names = [["a01_d", "a01_b"], ["a01_c", "a01_b"], ["a01_a", "a01_e"]]
    return [store(tmp_path / f"{number}.zarr", mine) for number, mine in enumerate(names)]


def test_a_vector_goes_with_its_clip(three: list[Store], tmp_path: Path) -> None:
    for number, part in enumerate(three[:2]):
        embed(Path(part.path), seed=number, missing=(0,) if number else ())
    whole = merged(three, tmp_path / "m.zarr")
    embedding = open_embedding(whole, "xclip")
    first, second = (open_embedding(part, "xclip") for part in reopened(three[:2]))
    assert whole.names == ("a01_a", "a01_b", "a01_c", "a01_d", "a01_e")
    assert embedding.done.tolist() == [False, True, False, True, False]
    assert embedding.frames.tolist() == [-1, 30, -1, 30, -1]
    np.testing.assert_array_equal(embedding.video[[3, 1]], first.video)
    assert not embedding.video[[0, 2, 4]].any()
    assert not np.array_equal(
        first.video[1], second.video[1]
    )  # two stores have this clip: the vector of the first is kept
    np.testing.assert_array_equal(embedding.text, first.text)


def test_a_clip_that_one_could_not_embed_has_the_vector_of_the_other(three: list[Store], tmp_path: Path) -> None:
    for number, (part, done) in enumerate(zip(three, ([True, False], [True, True], [False, True]), strict=True)):
        reasons = tuple((name, "no good") for name, has_vector in zip(part.names, done, strict=True) if not has_vector)
        about = replace(video_metadata(), bad=reasons, notes=((part.names[0], f"note {number}"),))
        vectors = np.full((2, 4), number + 1, np.float32) * np.array(done)[:, None]
        keep_videos(part, "xclip", vectors, np.array(done), np.array([9, 9], np.int32), about)
    embedding = open_embedding(merged(three, tmp_path / "m.zarr"), "xclip")
    assert embedding.video[:, 0].tolist() == [0, 2, 2, 1, 3]
    assert embedding.frames.tolist() == [9] * 5
    assert embedding.video_metadata is not None
    assert embedding.video_metadata.bad == (("a01_a", "no good"),)
    assert embedding.video_metadata.notes == (("a01_a", "note 2"), ("a01_c", "note 1"), ("a01_d", "note 0"))
    assert embedding.video_metadata.key == video_metadata().key


def test_the_order_of_stores_that_share_no_clip_does_not_matter(three: list[Store], tmp_path: Path) -> None:
    for number in (0, 2):
        about = replace(video_metadata(), bad=())
        keep_videos(three[number], "x", np.ones((2, 4), "f4"), np.ones(2, bool), np.full(2, 9, np.int32), about)
    forwards, backwards = (merged(order, tmp_path / f"m{at}.zarr") for at, order in enumerate((three, three[::-1])))
    assert forwards.manifest.embedded == backwards.manifest.embedded
    assert forwards.digest == backwards.digest


@pytest.mark.parametrize("unlike", ["frames", "weights", "text", "width"])
def test_embeddings_with_other_settings_are_left_out(three: list[Store], tmp_path: Path, unlike: str) -> None:
    embed(Path(three[0].path))
    embed(Path(three[0].path), name="both")
    embed(Path(three[1].path), name="both")
    other, count = open_store(three[1].path), np.full(2, 9, np.int32)
    if unlike == "text":
        keep_texts(other, "xclip", np.ones((10, 16), "f4"), text_metadata(weights="b" * 64))
    else:
        about = video_metadata(
            weights=("b" if unlike == "weights" else "a") * 64, frames=16 if unlike == "frames" else 8
        )
        keep_videos(other, "xclip", np.ones((2, 8), "f4"), np.ones(2, bool), count, about)
    words = {"frames": "frames is 8 there and 16 here", "width": "vectors of length 8 and 16"}
    stores = reopened(three)
    assert list(left_out(stores)) == ["xclip"]
    assert words.get(unlike, "weights is aaaaaaaaaaaa... there and bbbbbbbbbbbb... here") in left_out(stores)["xclip"]
    assert merged(three, tmp_path / "m.zarr").manifest.embedded.keys() == {"both/video", "both/text"}


def test_class_names_and_videos_of_two_encoders_are_left_out(three: list[Store], tmp_path: Path) -> None:
    keep_videos(three[0], "x", np.ones((2, 4), "f4"), np.ones(2, bool), np.full(2, 9, np.int32), video_metadata())
    keep_texts(three[1], "x", np.ones((10, 4), "f4"), text_metadata(weights="b" * 64))
    whole = merged(three, tmp_path / "m.zarr")
    assert whole.manifest.embedded == {}
    assert "One space needs one encoder" in left_out(reopened(three))["x"]


def test_a_merge_that_is_stopped_leaves_no_store(
    three: list[Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(Path(three[0].path))
    keep = merging.keep

    def killed(*_: object) -> Store:
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        merged(three, tmp_path / "m.zarr")
    assert not (tmp_path / "m.zarr").exists()
    monkeypatch.setattr(merging, "keep", keep)
    assert "xclip/video" in merged(three, tmp_path / "m.zarr").manifest.embedded


def test_a_finished_merge_is_already_there_unless_embeddings_were_added_since(
    three: list[Store], tmp_path: Path
) -> None:
    embed(Path(three[0].path), missing=(1,))
    whole = merged(three, tmp_path / "m.zarr")
    assert not result(merge(reopened(three), tmp_path / "m.zarr"))
    # An embedding of the merged store alone does not make it another merge.
    embed(tmp_path / "m.zarr", name="mine")
    assert not result(merge(reopened(three), tmp_path / "m.zarr"))
    embed(Path(three[0].path))
    with pytest.raises(PrepError, match="is not the merge of these stores as they are now"):
        result(merge(reopened(three), tmp_path / "m.zarr"))
    assert open_embedding(open_store(tmp_path / "m.zarr"), "xclip").done.sum() == 1
    assert open_store(tmp_path / "m.zarr").digest == whole.digest
