"""Videos to vectors in a store: whole, resumed, repaired, refused."""

from __future__ import annotations

import errno
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.embedding_runs import CLIPS, Make, run, stop, video

import prep.embedding.chunk
from prep.curate.verify import verify
from prep.embedding.job import TextJob
from prep.embedding.texts import embed_texts, mean_over_prompts
from prep.embedding.videos import embed_videos
from prep.encoders._encoder import EncoderError
from prep.errors import PrepError
from prep.progress import result as finish
from prep.store.embedding_key import KeyMismatch
from prep.store.embeddings import open_embedding
from prep.store.read import open_store
from prep.video.pairing import pair
from prep.video.request import FrameRequest
from prep.video.worker import decode_clip
from prep.workers import Workers


def rows(job: Any) -> tuple[np.ndarray, np.ndarray]:
    embedding = open_embedding(open_store(job.store.path), job.name)
    return embedding.video, embedding.done


def test_every_clip_gets_the_vector_of_its_own_video(job: Make) -> None:
    made = job()
    result = run(made)
    assert (result.clips, result.embedded, result.fresh, result.missing, result.bad) == (CLIPS, CLIPS, CLIPS, (), ())
    store = open_store(made.store.path)
    vectors, done = rows(made)
    assert done.all()
    for clip in pair(store, made.videos).clips[::7]:
        shown = decode_clip(clip, made.wanted)
        assert shown.frames is not None
        alone = made.loaded.encoder.videos(shown.frames[None])
        np.testing.assert_allclose(vectors[clip.clip], alone[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(open_embedding(store, "tiny").frames, store.stop - store.start)
    assert store.digest == made.store.digest
    assert list(verify(store))[-1].done > 0
    assert sorted(path.name for path in Path(store.path).parent.iterdir()) == ["s.zarr"]


def test_a_second_run_finds_nothing_to_do_and_writes_nothing(job: Make) -> None:
    first = run(job())
    manifest = Path(job().store.path, "manifest.json")
    before = manifest.stat().st_mtime_ns
    second = run(job())
    assert (second.fresh, second.digest, second.embedded) == (0, first.digest, CLIPS)
    assert manifest.stat().st_mtime_ns == before


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_a_stopped_run_is_continued_to_the_same_bits(job: Make, stop_after: int) -> None:
    whole = run(job("whole"))
    stop(job("cut"), stop_after)
    cut = job("cut")
    assert not cut.store.manifest.embedded
    result = run(cut)
    assert result.digest == whole.digest
    np.testing.assert_array_equal(rows(cut)[0], rows(job("whole"))[0])


def test_finished_parts_are_not_made_again(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prep.embedding.chunk, "CLIPS_PER_CHUNK", 8)
    stop(job(), 6)  # two parts of one batch are kept, the third is not
    parts = sorted((Path(job().store.path).parent / "s.zarr.embedding" / "tiny").glob("*.npz"))
    assert len(parts) == 2
    calls: list[int] = []

    def counted(clip: Any, wanted: FrameRequest) -> Any:
        calls.append(clip.clip)
        return decode_clip(clip, wanted)

    monkeypatch.setattr("prep.embedding.videos.decode_clip", counted)
    run(job())
    assert sorted(calls) == list(range(16, CLIPS))


def test_a_broken_video_is_named_and_costs_nobody_else_a_bit(job: Make) -> None:
    whole = run(job("whole"))
    made = job("broken", own_videos=True)
    good = video(made, 5).read_bytes()
    video(made, 5).write_bytes(good[: len(good) // 3])
    video(made, 6).unlink()
    result = run(made)
    assert [name for name, _ in result.bad] == [made.store.names[5]]
    assert str(made.videos) not in result.bad[0][1]
    assert result.missing == (made.store.names[6],)
    assert (result.embedded, result.fresh) == (CLIPS - 2, CLIPS - 2)
    vectors, done = rows(made)
    assert not done[[5, 6]].any()
    assert not vectors[[5, 6]].any()
    np.testing.assert_array_equal(vectors[done], rows(job("whole"))[0][done])
    video(made, 5).write_bytes(good)
    video(made, 6).write_bytes(video(job("third", own_videos=True), 6).read_bytes())
    repaired = run(job("broken", own_videos=True))
    assert (repaired.fresh, repaired.bad, repaired.missing) == (2, (), ())
    assert repaired.digest == whole.digest


def test_vectors_made_otherwise_are_refused_by_what_differs(job: Make) -> None:
    run(job())
    with pytest.raises(KeyMismatch, match="frames is 4 there and 6 here. Keep both under another --name, or --replace"):
        run(job(wanted=FrameRequest(6, 32)))
    with pytest.raises(KeyMismatch, match="crop is joints there and whole here"):
        run(job(wanted=FrameRequest(4, 32, crop="whole")))
    run(job(wanted=FrameRequest(6, 32), name="tiny-6"))
    replaced = run(job(wanted=FrameRequest(6, 32), replace=True))
    assert replaced.fresh == CLIPS
    store = open_store(job().store.path)
    np.testing.assert_array_equal(open_embedding(store, "tiny").video, open_embedding(store, "tiny-6").video)
    assert set(store.manifest.embedded) == {"tiny/video", "tiny-6/video"}


def test_videos_and_names_of_two_encoders_are_not_mixed(job: Make) -> None:
    made = job()
    strange = replace(made.loaded, facts=replace(made.loaded.facts, name="other"))
    embed_texts(TextJob(made.store, strange, ("{}",), "tiny"))
    with pytest.raises(KeyMismatch, match="videos are of tiny .*, texts of other"):
        run(job())
    run(job(name="mine"))
    with pytest.raises(KeyMismatch, match="videos are of tiny .*, texts of other"):
        embed_texts(TextJob(job().store, strange, ("{}",), "mine"))


def test_class_names_are_mean_over_prompts_over_their_sentences(job: Make) -> None:
    made = job()
    prompts = ("{}", "a video of a person {}")
    first = embed_texts(TextJob(made.store, made.loaded, prompts, "tiny"))
    again = embed_texts(TextJob(open_store(made.store.path), made.loaded, prompts, "tiny"))
    assert (first.fresh, again.fresh, first.digest) == (True, False, again.digest)
    embedding = open_embedding(open_store(made.store.path), "tiny")
    name = made.store.info.classes[3]
    by_hand = made.loaded.encoder.texts([name]) + made.loaded.encoder.texts([f"a video of a person {name}"])
    np.testing.assert_allclose(embedding.text[3], by_hand[0] / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        embedding.text, mean_over_prompts(made.loaded.encoder, made.store.info.classes, prompts)
    )
    with pytest.raises(KeyMismatch, match="prompts is"):
        embed_texts(TextJob(open_store(made.store.path), made.loaded, ("{}",), "tiny"))


class Dying(Executor):
    """Runs tasks at once; the task of one clip fails with `error`."""

    def __init__(self, clip: int, error: Exception | None = None) -> None:
        self.clip, self.error = clip, error or ChildProcessError("gone")

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if args[0].clip == self.clip:
            future.set_exception(self.error)
        else:
            future.set_result(work(*args))
        return future


def test_a_decoder_that_crashes_costs_its_own_clip(job: Make) -> None:
    made = job()
    result = finish(embed_videos(made, Workers(Dying(9), 1, (ChildProcessError,))))
    assert [name for name, _ in result.bad] == [made.store.names[9]]
    assert "its decoder crashed, twice" in result.bad[0][1]
    assert result.embedded == CLIPS - 1


def test_a_decoder_that_hangs_costs_its_own_clip(job: Make) -> None:
    made = job()
    workers = Workers(Dying(9, TimeoutError()), 1, (ChildProcessError,), (TimeoutError,), 120.0)
    result = finish(embed_videos(made, workers))
    assert [name for name, _ in result.bad] == [made.store.names[9]]
    assert "decoding took longer than 120 s. Fetch it again, or allow more with --timeout." in result.bad[0][1]
    assert result.embedded == CLIPS - 1


def test_a_full_disk_is_reported_and_the_same_command_continues(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(job("whole"))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("prep.embedding.videos.write", full)
        with pytest.raises(PrepError, match="the disk is full, .* run the same command; it continues"):
            run(job("full"))
    result = run(job("full"))
    assert result.digest == whole.digest


def test_a_worker_that_does_not_see_the_videos_stops_the_work(job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pair

    def elsewhere(store: Any, videos: Path) -> Any:
        found = real(store, videos)
        clips = []
        for clip in found.clips:
            source = replace(clip.video.sources[0], path="/nowhere/at/all.avi")
            clips.append(replace(clip, video=replace(clip.video, sources=(source,))))
        return replace(found, clips=tuple(clips))

    monkeypatch.setattr("prep.embedding.videos.pair", elsewhere)
    with pytest.raises(PrepError, match="/nowhere/at: not found on .*, a worker. Every machine must see the videos"):
        run(job())


def test_weights_of_another_number_of_frames_are_refused(job: Make) -> None:
    made = job()

    class Fixed:
        frames, size, width, weights = 8, 32, 4, "0" * 64

    with pytest.raises(EncoderError, match="take exactly 8 frames, 4 were asked for. Take --frames 8"):
        run(replace(made, loaded=replace(made.loaded, encoder=Fixed())))


def test_half_precision_is_kept_as_such_and_what_it_cannot_hold_is_refused(job: Make) -> None:
    run(job("half", stored="float16"))
    run(job("full"))
    half, whole = rows(job("half"))[0], rows(job("full"))[0]
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, whole.astype(np.float16))


def test_two_commands_at_once_are_refused(job: Make) -> None:
    records = embed_videos(job(), Workers(Dying(-1), 1, ()))
    next(records)
    with pytest.raises(PrepError, match="another command is writing here"):
        run(job())
    records.close()


def test_commands_that_began_side_by_side_all_keep_their_vectors(job: Make) -> None:
    first, second, made = job(name="a"), job(name="b"), job()
    texts = TextJob(made.store, made.loaded, ("{}",), "a")
    assert run(first).fresh == run(second).fresh == CLIPS
    assert embed_texts(texts).fresh
    store = open_store(made.store.path)
    assert store.manifest.embedded.keys() == {"a/video", "a/text", "b/video"}
    np.testing.assert_array_equal(open_embedding(store, "a").video, open_embedding(store, "b").video)
    assert list(verify(store))[-1].done > 0


def test_what_was_embedded_since_a_command_began_is_not_embedded_again(job: Make) -> None:
    first, second = job(), job()
    texts = [TextJob(made.store, made.loaded, ("{}",), "tiny") for made in (first, second)]
    assert (run(first).fresh, run(second).fresh) == (CLIPS, 0)
    assert [embed_texts(each).fresh for each in texts] == [True, False]


def test_settings_are_compared_with_what_was_embedded_since_a_command_began(job: Make) -> None:
    videos, texts = job(wanted=FrameRequest(6, 32)), job()
    other = replace(texts.loaded, facts=replace(texts.loaded.facts, name="other"))
    run(job())
    with pytest.raises(KeyMismatch, match="frames is 4 there and 6 here"):
        run(videos)
    with pytest.raises(KeyMismatch, match="videos are of tiny .*, texts of other"):
        embed_texts(TextJob(texts.store, other, ("{}",), "tiny"))


def test_vectors_stay_when_more_videos_are_added_and_the_command_is_killed(
    job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(job("whole"))
    made = job("few", own_videos=True)
    later = {clip: video(made, clip).read_bytes() for clip in range(8, CLIPS)}
    for clip in later:
        video(made, clip).unlink()
    assert run(made).embedded == 8
    former = rows(made)[0]
    for clip, content in later.items():
        video(made, clip).write_bytes(content)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for step in ("write_array", "enter_embeddings"):
        with monkeypatch.context() as patch:
            patch.setattr(f"prep.store.keep_embedding.{step}", killed)
            with pytest.raises(KeyboardInterrupt):
                run(job("few", own_videos=True))
        np.testing.assert_array_equal(rows(made)[0], former)
    result = run(job("few", own_videos=True))
    assert (result.embedded, result.fresh, result.now) == (CLIPS, CLIPS - 8, 0)
    assert result.digest == whole.digest


def test_no_video_at_all_is_an_error(job: Make) -> None:
    made = job("none", own_videos=True)
    for path in made.videos.iterdir():
        path.write_bytes(b"")
    with pytest.raises(PrepError, match="no video could be embedded"):
        run(made)
