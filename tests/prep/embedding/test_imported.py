"""Vectors computed elsewhere, taken into a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.stores import make_store

from prep.embedding.imported import Imported, ImportJob, import_embeddings
from prep.errors import PrepError
from prep.store.embeddings import open_embedding, vision_language
from prep.store.read import Store, open_store

CLASSES = 24


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(make_store(tmp_path / "s.zarr", clips_per_class=2, frames=(3, 6)))


def vectors(rows: int, seed: int = 0, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def take(store: Store, path: Path, **arrays: np.ndarray) -> Imported:
    np.savez(path, **arrays)
    return import_embeddings(ImportJob(store, path, "x_florence", "X-Florence, by hand"))


def test_vectors_find_their_clips_by_name_in_any_order(store: Store, tmp_path: Path) -> None:
    video, text = vectors(len(store)), vectors(CLASSES, 1)
    order = np.random.default_rng(2).permutation(len(store))[5:]
    names = np.array([*np.array(store.names)[order], "a stranger"])
    result = take(store, tmp_path / "f.npz", names=names, video=np.vstack([video[order], video[:1]]), text=text)
    assert (result.clips, result.classes, result.width) == (len(store) - 5, CLASSES, 5)
    assert result.unknown == ("a stranger",)
    left = sorted(set(range(len(store))) - set(order.tolist()))
    assert result.missing == tuple(store.names[clip] for clip in left)
    embedding = open_embedding(open_store(store.path), "x_florence")
    np.testing.assert_array_equal(embedding.done, ~np.isin(np.arange(len(store)), left))
    np.testing.assert_array_equal(embedding.video[embedding.done], video[embedding.done])
    assert not embedding.video[left].any()
    np.testing.assert_array_equal(embedding.text, text)
    assert embedding.video_metadata is not None
    assert (embedding.video_metadata.named, embedding.video_metadata.key.encoder) == (
        "X-Florence, by hand",
        "x_florence",
    )
    both, done = vision_language(embedding)
    np.testing.assert_array_equal(both[done], (video + text[store.label])[done])
    assert open_store(store.path).digest == store.digest


def test_names_as_bytes_blanks_and_whole_numbers_are_read(store: Store, tmp_path: Path) -> None:
    names = np.array([f"{name} ".encode() for name in store.names])
    result = take(store, tmp_path / "f.npz", names=names, video=np.ones((len(store), 5), np.int16))
    assert (result.clips, result.missing, result.unknown) == (len(store), (), ())


def test_an_npy_comes_with_a_file_of_names(store: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", vectors(3).astype(np.float16))
    (tmp_path / "names.txt").write_text("\n".join(store.names[:3]) + "\n")
    job = ImportJob(store, tmp_path / "f.npy", "mine", "", tmp_path / "names.txt")
    assert import_embeddings(job).clips == 3
    embedding = open_embedding(open_store(store.path), "mine")
    assert embedding.video.dtype == np.float16
    np.testing.assert_array_equal(embedding.video[:3], vectors(3).astype(np.float16))


def test_compressed_files_are_read_too_and_nothing_is_left_beside(store: Store, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "f.npz", names=np.array(store.names), video=vectors(len(store)))
    assert import_embeddings(ImportJob(store, tmp_path / "f.npz", "mine", "")).clips == len(store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npz", "s.zarr"]


def test_what_is_there_is_only_replaced_when_asked(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path / "f.npz", text=vectors(CLASSES))
    again = open_store(store.path)
    refusal = "holds x_florence/text already, with other vectors or another --desc.*. Take another --name, or"
    with pytest.raises(PrepError, match=refusal):
        take(again, tmp_path / "f.npz", text=vectors(CLASSES, 1))
    import_embeddings(ImportJob(again, tmp_path / "f.npz", "x_florence", "", replace=True))
    np.testing.assert_array_equal(open_embedding(open_store(store.path), "x_florence").text, vectors(CLASSES, 1))


def test_an_import_that_began_beside_another_command_loses_nothing(store: Store, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", text=vectors(CLASSES))
    for name in ("a", "b"):  # `store` was opened before either
        import_embeddings(ImportJob(store, tmp_path / "f.npz", name, ""))
    assert open_store(store.path).manifest.embedded.keys() == {"a/text", "b/text"}
    # The same again is there already, an other description is not the same.
    assert not import_embeddings(ImportJob(store, tmp_path / "f.npz", "a", "")).fresh
    with pytest.raises(PrepError, match="holds a/text already"):
        import_embeddings(ImportJob(store, tmp_path / "f.npz", "a", "another"))


def test_a_killed_replacement_leaves_videos_and_names_that_fit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job(seed: int) -> ImportJob:
        path = tmp_path / f"{seed}.npz"
        np.savez(path, names=np.array(store.names), video=vectors(len(store), seed), text=vectors(CLASSES, seed))
        return ImportJob(store, path, "mine", "", replace=True)

    import_embeddings(job(0))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("write_array", "enter_embeddings"):
        with monkeypatch.context() as patch:
            patch.setattr(f"prep.store.keep_embedding.{step}", killed)
            with pytest.raises(KeyboardInterrupt):
                import_embeddings(job(1))
        embedding = open_embedding(open_store(store.path), "mine")
        np.testing.assert_array_equal(embedding.video, vectors(len(store), 0))
        np.testing.assert_array_equal(embedding.text, vectors(CLASSES, 0))
    import_embeddings(job(1))
    np.testing.assert_array_equal(open_embedding(open_store(store.path), "mine").text, vectors(CLASSES, 1))


def test_a_replacement_that_would_leave_vectors_of_another_file_is_refused(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path / "f.npz", names=np.array(store.names), video=vectors(len(store)), text=vectors(CLASSES))
    np.savez(tmp_path / "g.npz", text=vectors(CLASSES, 1))
    with pytest.raises(PrepError, match="does not replace x_florence/video, and vectors from two files do not fit"):
        import_embeddings(ImportJob(store, tmp_path / "g.npz", "x_florence", "", replace=True))
    open_embedding(open_store(store.path), "x_florence")


BAD = {
    "no names": ({"video": vectors(2)}, "holds video; `video` with `names`, `text`, or all three"),
    "nothing": ({"features": vectors(2)}, "holds features; `video` with `names`"),
    "twice": ({"video": vectors(2), "names": np.array(["a", "a"])}, "`a` stands twice in `names`"),
    "unmatched": ({"video": vectors(2), "names": np.array(["a", "b"])}, "none of its names .a, .... is a clip of"),
    "too few names": (
        {"video": vectors(2), "names": np.array(["a"])},
        "names for 2 rows of `video`. One name",
    ),
    "classes": ({"text": vectors(3)}, "`text` has 3 rows, the store 24 classes"),
    "truth values": ({"text": np.ones((24, 2), bool)}, "`text` is bool of shape .24, 2.; it must be numbers"),
    "not finite": ({"text": np.full((24, 2), np.nan)}, "`text` holds numbers that are not finite"),
    "too large for float32": ({"text": np.full((24, 2), 1e300)}, "a vector is not finite as float32"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_does_not_fit_is_refused_by_name(store: Store, tmp_path: Path, case: str) -> None:
    arrays, words = BAD[case]
    with pytest.raises(PrepError, match=words):
        take(store, tmp_path / "f.npz", **arrays)
    assert not open_store(store.path).manifest.embedded


def test_no_pickle_is_opened(store: Store, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", video=vectors(1), names=np.array([{"a": 1}], object))
    with pytest.raises(PrepError, match="could run code"):
        import_embeddings(ImportJob(store, tmp_path / "f.npz", "mine", ""))
