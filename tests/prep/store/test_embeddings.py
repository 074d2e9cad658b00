"""Embeddings in a store: kept whole or not at all, read back and summed, checked, refused where they do not fit."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.stores import embed, make_store, text_metadata, video_metadata

from prep.curate.verify import verify
from prep.errors import PrepError
from prep.sharing.pull import pull
from prep.sharing.push import push
from prep.store import keep_embedding as keep
from prep.store import manifest as marking
from prep.store.arrays import SMALL
from prep.store.embedding_key import ARRAYS, KeyMismatch
from prep.store.embeddings import Embedding, open_embedding, unit_length, vision_language
from prep.store.keep_embedding import check_name, embedding_digest, keep_texts, keep_videos
from prep.store.manifest import MANIFEST, EmbeddingEntry, StoreError, array_digest
from prep.store.read import Store, open_store
from prep.store.write import write_array

CLIPS, CLASSES = 48, 24
VIDEO = "embeddings/xclip/video"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "whole.zarr", clips_per_class=2)


@pytest.fixture
def bare(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bare.zarr"))


@pytest.fixture(scope="module")
def made(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = Path(shutil.copytree(whole, tmp_path_factory.mktemp("stores") / "made.zarr"))
    embed(copy, missing=(3, 7))
    return copy


@pytest.fixture
def full(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "full.zarr"))


def vectors(rows: int = CLIPS, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def videos(store: Store, values: np.ndarray, name: str = "xclip", **about: Any) -> Store:
    done, frames = np.ones(len(values), bool), np.full(len(values), 30, np.int32)
    return keep_videos(store, name, values, done, frames, video_metadata(**about))


def check(path: Path) -> list[str]:
    return [step.note for step in verify(open_store(path))]


def test_what_is_kept_comes_back(bare: Path) -> None:
    store, values, texts = open_store(bare), vectors().astype(np.float16), vectors(CLASSES, seed=1)
    done, frames = np.arange(CLIPS) != 5, np.arange(CLIPS, dtype=np.int32)
    values[5] = 0
    after = keep_texts(keep_videos(store, "x-1", values, done, frames, video_metadata()), "x-1", texts, text_metadata())
    embedding = open_embedding(open_store(bare), "x-1")
    for array, wanted in (
        (embedding.video, values),
        (embedding.done, done),
        (embedding.frames, frames),
        (embedding.text, texts),
    ):
        np.testing.assert_array_equal(array, wanted)
        assert array.dtype == wanted.dtype
    assert (embedding.video_metadata, embedding.text_metadata) == (video_metadata(), text_metadata())
    assert set(after.manifest.embedded) == {"x-1/video", "x-1/text"}
    assert after.digest == store.digest
    assert after.array_digests == store.array_digests


def test_the_clips_are_as_they_were(whole: Path, full: Path) -> None:
    before, after = open_store(whole), open_store(full)
    assert before.manifest.files.items() <= after.manifest.files.items()
    added = after.manifest.files.keys() - before.manifest.files.keys()
    assert added == {file.relative_to(full).as_posix() for file in (full / "embeddings").rglob("*") if file.is_file()}
    steps = list(verify(after))
    assert [step.done for step in steps] == list(range(1, len(SMALL) + 1 + 4 + 1))
    assert steps[-1].done == steps[-1].total
    assert {step.note for step in steps} >= {f"embeddings/xclip/{array}" for array in ("video", "done", "frames")}


def test_the_digest_is_of_vectors_origin_and_clips(bare: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other.zarr", clips_per_class=2, seed=1)
    twin = Path(shutil.copytree(bare, tmp_path / "twin.zarr"))

    def digest(path: Path, values: np.ndarray, **about: Any) -> str:
        return videos(open_store(path), values, **about).manifest.embedded["xclip/video"].digest

    first = digest(bare, vectors())
    assert digest(twin, vectors()) == first
    assert (
        len({first, digest(twin, vectors(seed=1)), digest(twin, vectors(), frames=16), digest(other, vectors())}) == 4
    )


def test_software_is_no_part_of_the_digest() -> None:
    one = embedding_digest({"key": 1, "software": "a 1"}, {"x": "0"}, "clips")
    assert one == embedding_digest({"software": "b 2", "key": 1}, {"x": "0"}, "clips")
    assert one != embedding_digest({"key": 2, "software": "a 1"}, {"x": "0"}, "clips")


def test_an_embedding_takes_the_place_of_another(full: Path) -> None:
    before = open_store(full)
    after = videos(before, vectors(width=9), frames=16)
    embedding = open_embedding(after, "xclip")
    assert embedding.video.shape == (CLIPS, 9)
    assert embedding.done.all()
    assert embedding.video_metadata is not None
    assert embedding.video_metadata.key.frames == 16
    assert after.manifest.embedded["xclip/text"] == before.manifest.embedded["xclip/text"]
    assert len(check(full)) == len(SMALL) + 1 + 4


def test_what_another_command_entered_meanwhile_stays(bare: Path) -> None:
    opened = open_store(bare)
    videos(opened, vectors(), name="a")
    after = keep_texts(opened, "b", vectors(CLASSES), text_metadata())
    assert after.manifest.embedded.keys() == {"a/video", "b/text"}
    check(bare)


def test_a_store_that_was_replaced_meanwhile_is_refused(bare: Path, tmp_path: Path) -> None:
    opened = open_store(bare)
    shutil.rmtree(bare)
    make_store(bare, clips_per_class=2, seed=1)
    with pytest.raises(StoreError, match="was replaced by another store meanwhile. Run the same command again"):
        videos(opened, vectors())


def test_both_parts_are_entered_together(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_store(full).manifest
    about_video, about_text = video_metadata(weights="c" * 64), text_metadata(weights="c" * 64)
    parts = (
        keep.video_part(vectors(), np.ones(CLIPS, bool), np.full(CLIPS, 30, np.int32), about_video),
        keep.text_part(vectors(CLASSES), about_text),
    )

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keep, "enter_embeddings", killed)
        with pytest.raises(Killed):
            keep.keep(open_store(full), "xclip", *parts)
    assert open_store(full).manifest == before
    check(full)
    after = open_embedding(keep.keep(open_store(full), "xclip", *parts), "xclip")
    assert (after.video_metadata, after.text_metadata) == (about_video, about_text)
    check(full)


def test_the_names_of_embeddings_and_their_parts(full: Path) -> None:
    store = keep_texts(open_store(full), "a", vectors(CLASSES), text_metadata())
    assert {name: [str(part) for part in parts] for name, parts in store.embeddings.items()} == {
        "a": ["a/text"],
        "xclip": ["xclip/text", "xclip/video"],
    }


class Killed(Exception):
    """As a kill would end it."""


def steps_of(store: Path, patch: pytest.MonkeyPatch, stop: int) -> int:
    """Keep `videos` in the store, killed before the step number `stop`. Returns how many steps there were.

    Steps are the arrays, the manifest, renames (zarr's too) and every deletion.
    """
    count, lock = 0, threading.Lock()

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def one(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            with lock:
                if count == stop:
                    raise Killed
                count += 1
            return work(*args, **kwargs)

        return one

    with patch.context() as each:
        each.setattr(keep, "write_array", counted(write_array))
        each.setattr(keep, "enter_embeddings", counted(keep.enter_embeddings))
        for name in ("replace", "unlink", "rmdir"):
            each.setattr(Path, name, counted(getattr(Path, name)))
        videos(open_store(store), vectors(seed=5))
    return count


def content(path: Path) -> tuple[np.ndarray, ...]:
    embedding = open_embedding(open_store(path), "xclip")
    return embedding.video, embedding.done, embedding.frames


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(map(np.array_equal, one, other))


def unlisted(path: Path) -> set[str]:
    files = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    return files - open_store(path).files.keys() - {MANIFEST}


@pytest.mark.parametrize(
    "start", [pytest.param("bare", marks=pytest.mark.slow), pytest.param("full", marks=pytest.mark.slow), "replaced"]
)
@pytest.mark.slow
def test_a_kill_anywhere_leaves_the_former_vectors_or_the_new_ones(
    start: str, whole: Path, made: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(whole if start == "bare" else made, tmp_path / "source.zarr"))
    if start == "replaced":  # so the former vectors lie in the alternate folder
        videos(open_store(source), vectors(seed=4))
    former = () if start == "bare" else content(source)
    patch = pytest.MonkeyPatch()
    count = steps_of(Path(shutil.copytree(source, tmp_path / "count.zarr")), patch, -1)
    assert count >= (3 + 3 if start == "bare" else 3 + 3 + 6)
    wanted, new = open_store(tmp_path / "count.zarr"), content(tmp_path / "count.zarr")
    assert not unlisted(tmp_path / "count.zarr")
    seen = set()
    for stop in range(0, count, 2 if start == "replaced" else 1):
        path = Path(shutil.copytree(source, tmp_path / f"{stop}.zarr"))
        with pytest.raises(Killed):
            steps_of(path, patch, stop)
        left = open_store(path)
        check(path)
        assert left.digest == wanted.digest
        state = content(path) if "xclip" in left.embeddings else ()
        seen.add("new" if state and same(state, new) else "former")
        assert (state and same(state, new)) or (same(state, former) if former else state == ())
        assert ("xclip/text" in left.manifest.embedded) == (start != "bare")
        after = videos(left, vectors(seed=5))
        assert after.manifest.embedded == wanted.manifest.embedded
        assert same(content(path), new)
        assert not unlisted(path)
    assert seen == ({"former", "new"} if start != "bare" else {"former"})


def test_a_full_disk_leaves_the_former_vectors(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(full)

    def full_disk(folder: Path, name: str, *rest: Any) -> None:
        write_array(folder, name, *rest)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keep, "write_array", full_disk)
        with pytest.raises(PrepError, match="the disk is full"), keep.locked_store(open_store(full)) as (store, _):
            videos(store, vectors(seed=5))
    assert same(content(full), before)
    check(full)


def test_a_second_replacement_returns_to_the_plain_folder(full: Path) -> None:
    for seed, folder in ((1, "embeddings/xclip/alternate/video"), (2, VIDEO), (3, "embeddings/xclip/alternate/video")):
        store = videos(open_store(full), vectors(seed=seed))
        assert f"{folder}/zarr.json" in store.files
        assert not unlisted(full)
        np.testing.assert_array_equal(open_embedding(open_store(full), "xclip").video, vectors(seed=seed))
        check(full)


def test_a_writer_killed_in_the_middle_of_an_array(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = bare / VIDEO / "c" / "0"
    half.mkdir(parents=True)
    (half / "0.partial").write_bytes(b"half")
    (bare / "embeddings" / "left.partial").write_bytes(b"half")
    check(bare)
    after = videos(open_store(bare), vectors())
    assert not any("partial" in file for file in after.manifest.files)
    check(bare)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def test_a_flipped_byte_anywhere_is_noticed(full: Path, tmp_path: Path) -> None:
    files = sorted(file for file in (full / "embeddings").rglob("*") if file.is_file())
    assert len(files) == 2 + 4 * 2
    for number, file in enumerate(files):
        copy = Path(shutil.copytree(full, tmp_path / f"{number}.zarr"))
        flip(copy / file.relative_to(full))
        with pytest.raises(StoreError):
            check(copy)


def test_an_absent_file_is_noticed(full: Path) -> None:
    (full / VIDEO / "c/0/0").unlink()
    with pytest.raises(StoreError, match="embeddings/xclip/video/c/0/0 is missing or not"):
        open_store(full)


def alter(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the entry of xclip/video in the manifest."""
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest["embedded"])
    (path / MANIFEST).write_text(json.dumps(manifest))


def forged(path: Path, array: str, value: np.ndarray) -> None:
    """Replace an array by another one and enter it as its writer would."""
    store = open_store(path)
    metadata, logical = store.attributes(VIDEO), f"embeddings/xclip/{array}"
    write_array(path, marking.alternate(logical), value, metadata if array == "video" else None)
    arrays = {**store.manifest.embedded["xclip/video"].arrays, logical: array_digest(value)}
    entry = EmbeddingEntry(embedding_digest(metadata, arrays, store.digest), arrays)
    marking.enter_embeddings(path, store.manifest, {"xclip/video": entry}, {logical: marking.alternate(logical)})


def endless() -> np.ndarray:
    values = vectors(width=16)
    values[[3, 7]] = 0
    values[11, 2] = np.inf
    return values


FORGED = {
    "endless": ("video", endless(), "`xclip/video` holds values that are not finite"),
    "of clips without": ("video", vectors(width=16), "has vectors for clips that it lists as clips without one"),
    "too few": ("video", vectors(rows=47), r"xclip/video` has shape \(47, 4\).*it must have shape \(48, 4\)"),
    "flat": ("video", vectors()[:, 0], r"`embeddings/xclip/video` has the shape \(48,\), it must have 2 axes"),
    "a short mask": ("done", np.ones(47, bool), r"`embeddings/xclip/done` has shape \(47,\)"),
    "a wide count": ("frames", np.ones((48, 2), np.int32), r"`embeddings/xclip/frames` has shape \(48, 2\)"),
}


@pytest.mark.parametrize("fault", FORGED)
def test_arrays_that_do_not_fit_fail_the_check(full: Path, fault: str) -> None:
    array, value, words = FORGED[fault]
    forged(full, array, value)
    with pytest.raises(StoreError, match=words):
        check(full)


def test_other_vectors_under_the_old_entry_fail_the_check(full: Path) -> None:
    store = open_store(full)
    about, values = store.attributes(VIDEO), vectors(width=16, seed=1)
    values[[3, 7]] = 0
    other = marking.alternate(VIDEO)
    write_array(full, other, values, about)
    entry = store.manifest.embedded["xclip/video"]
    marking.enter_embeddings(full, store.manifest, {"xclip/video": entry}, {VIDEO: other})
    with pytest.raises(StoreError, match="`xclip/video` has an array `video` that differs from its digest"):
        check(full)


ALTERED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "digest": (
        lambda entries: entries["xclip/video"].update(digest="0" * 64),
        "differs from its digest, or belongs to other cl",
    ),
    "array": (
        lambda entries: entries["xclip/text"]["arrays"].update({"embeddings/xclip/text": "0" * 64}),
        "the embedding `xclip/text` diff",
    ),
    "no mask": (
        lambda entries: entries["xclip/video"]["arrays"].pop("embeddings/xclip/done"),
        "lists 'xclip/video', which is not an embedding of this format",
    ),
    "elsewhere": (
        lambda entries: entries["xclip/text"].update(arrays={"joints": "0"}),
        "lists 'xclip/text', which is not an embedding",
    ),
    "outside": (
        lambda entries: entries.update(
            {"../video": {"digest": "", "arrays": {f"embeddings/../{a}": "" for a in ARRAYS["video"]}}}
        ),
        "lists '../video', which is not an embedding",
    ),
    "strange": (
        lambda entries: entries.update({"xclip/sound": {"digest": "", "arrays": {}}}),
        "lists 'xclip/sound', which is not an embedding",
    ),
}


@pytest.mark.parametrize("fault", ALTERED)
def test_an_altered_entry_fails_the_check(full: Path, fault: str) -> None:
    change, words = ALTERED[fault]
    alter(full, change)
    with pytest.raises(StoreError, match=words):
        check(full)


def test_an_embedding_of_other_clips_fails_the_check(full: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other.zarr", clips_per_class=2, seed=1)
    shutil.copytree(full / "embeddings", other / "embeddings")
    marking.enter_embeddings(other, open_store(other).manifest, open_store(full).manifest.embedded, {})
    with pytest.raises(StoreError, match="`xclip/text` differs from its digest, or belongs to other clips"):
        check(other)


def test_altered_words_about_it_are_noticed_on_opening(full: Path) -> None:
    header = full / VIDEO / "zarr.json"
    header.write_text(header.read_text().replace('"random": false', '"random": true '))
    with pytest.raises(StoreError, match="video/zarr.json"):
        open_store(full)


def test_mixed_weights_are_refused(bare: Path) -> None:
    store = keep_texts(videos(open_store(bare), vectors()), "xclip", vectors(CLASSES), text_metadata(weights="b" * 64))
    words = "videos are of xclip a{12}, texts of xclip b{12}. One space needs one encoder"
    for use in (lambda: open_embedding(store, "xclip"), lambda: check(bare)):
        with pytest.raises(KeyMismatch, match=words):
            use()
    keep_texts(store, "xclip", vectors(CLASSES), text_metadata(encoder="clip"))
    with pytest.raises(KeyMismatch, match="texts of clip"):
        open_embedding(open_store(bare), "xclip")


def test_an_unknown_name_says_which_there_are(full: Path, bare: Path) -> None:
    with pytest.raises(StoreError, match="has no embedding `xclp`. Did you mean `xclip`?"):
        open_embedding(open_store(full), "xclp")
    with pytest.raises(StoreError, match="It has none. `fsprep embed-videos --name xclip`"):
        open_embedding(open_store(bare), "xclip")


def test_a_half_says_how_to_get_the_other(bare: Path) -> None:
    embedding = open_embedding(videos(open_store(bare), vectors()), "xclip")
    with pytest.raises(StoreError, match="`xclip` has no vectors of class names. Run `fsprep embed-text --name xclip`"):
        vision_language(embedding)
    other = open_embedding(keep_texts(open_store(bare), "other", vectors(CLASSES), text_metadata()), "other")
    for array in ("video", "done", "frames"):
        with pytest.raises(StoreError, match="no vectors of videos. Run `fsprep embed-videos --name other`"):
            getattr(other, array)


@pytest.mark.parametrize("name", ["", "X", "a b", "../up", "a/b", "-a", "_a", "a" * 65, "é", "a\n"])
def test_names_that_are_no_folder_are_refused(name: str, bare: Path) -> None:
    with pytest.raises(PrepError, match="is not 1 to 64 of a-z"):
        videos(open_store(bare), vectors(), name=name)
    assert not (bare / "embeddings").exists()


def test_names_that_are_fine() -> None:
    for name in ("x", "xclip-b16_8", "0", "a" * 64):
        check_name(name)


def embedding_of(full: Path) -> Embedding:
    return open_embedding(open_store(full), "xclip")


def test_the_sum_of_a_clip_and_its_class(full: Path) -> None:
    embedding = embedding_of(full)
    found, done = vision_language(embedding)
    assert (found.dtype, found.shape) == (np.float32, (CLIPS, 16))
    assert np.flatnonzero(~done).tolist() == [3, 7]
    assert not found[[3, 7]].any()
    for clip in (0, 11, 47):
        np.testing.assert_array_equal(found[clip], embedding.video[clip] + embedding.text[clip // 2])


@pytest.mark.parametrize(("normalise_video", "normalise_text"), [(True, False), (False, True), (True, True)])
def test_each_part_may_have_length_one(full: Path, normalise_video: bool, normalise_text: bool) -> None:
    embedding = embedding_of(full)
    found, _ = vision_language(embedding, normalise_video, normalise_text)
    video = embedding.video[9] / (np.linalg.norm(embedding.video[9]) if normalise_video else 1)
    text = embedding.text[4] / (np.linalg.norm(embedding.text[4]) if normalise_text else 1)
    np.testing.assert_allclose(found[9], video + text, atol=1e-6)
    assert not found[3].any()


def test_half_numbers_are_summed_as_whole_ones(bare: Path) -> None:
    values, texts = vectors().astype(np.float16), vectors(CLASSES, seed=2).astype(np.float16)
    store = keep_texts(videos(open_store(bare), values), "xclip", texts, text_metadata())
    found, _ = vision_language(open_embedding(store, "xclip"))
    np.testing.assert_array_equal(found[2], values[2].astype(np.float32) + texts[1].astype(np.float32))


def test_a_row_of_zeros_has_no_length() -> None:
    np.testing.assert_allclose(unit_length(np.array([[3, 4], [0, 0]], np.float32)), [[0.6, 0.8], [0, 0]])


def test_replaced_vectors_are_pushed_pulled_and_fetched_alone(whole: Path, full: Path, tmp_path: Path) -> None:
    store = videos(open_store(full), vectors(seed=1))
    assert store.manifest.folder_of(VIDEO) == marking.alternate(VIDEO)
    there, here = tmp_path / "there.zarr", Path(shutil.copytree(whole, tmp_path / "here.zarr"))
    for work in (push(store, str(there)), pull(str(there), tmp_path / "back.zarr"), pull(str(there), here)):
        for _ in work:
            continue
    for path in (there, tmp_path / "back.zarr", here):
        np.testing.assert_array_equal(open_embedding(open_store(path), "xclip").video, vectors(seed=1))
        assert open_store(path).manifest.embedded == store.manifest.embedded
        check(path)
    assert f"{VIDEO}/zarr.json" in open_store(here).files


def test_temporary_files_of_killed_writers_are_cleared(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.zarr", clips_per_class=1)
    for name in ("manifest.json.0.writing", "card.md.0.writing", "zarr.json.0.partial"):
        (path / name).write_text("half")
    before = sorted(file.name for file in path.iterdir())
    embed(path)
    left = {file.name for file in path.iterdir()}
    assert left == {name for name in before if not name.endswith((".writing", ".partial"))} | {"embeddings"}
