"""Frames of paired videos as JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.synthetic_video import KINDS, encode, image, number_in
from helpers.viewing import BOX, NAMES

import prep.viewer.frames as subject
from prep.store.read import Store
from prep.video.crop import crop_around
from prep.video.decoders._decoder import VideoInfo
from prep.video.request import BadVideo, ClipVideo, Video
from prep.viewer.frames import PairedFrames, describe
from prep.workers import Workers

WIDTH, HEIGHT = 160, 96


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Videos of clip 0 (12 frames, as the clip), of clip 5 (24 frames, twice the clip) and a broken one of clip 1."""
    codec, options, pixels = KINDS["mpeg4_avi"][1:]
    for clip, frames in ((0, 12), (5, 24)):
        path = tmp_path / "v" / f"{NAMES[clip]}_rgb.avi"
        path.parent.mkdir(exist_ok=True)
        encode(path, (image(n, WIDTH, HEIGHT) for n in range(frames)), codec, options, pixels)
    (tmp_path / "v" / f"{NAMES[1]}_rgb.avi").write_bytes(b"RIFF" + bytes(100))
    return tmp_path / "v"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(1) as pool:
        yield Workers(pool, 1, (ZeroDivisionError,), (FloatingPointError,), 7)


def number(jpeg: bytes) -> int:
    return number_in(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


def test_a_frame_is_the_frame_of_that_number(store: Store, videos: Path, workers: Workers) -> None:
    frames = PairedFrames(store, videos, workers)
    assert [number(frames.jpeg(5, n)) for n in (0, 23, 15, 16)] == [0, 23, 15, 16]
    with pytest.raises(BadVideo, match="frame 24 is requested, its video has 24"):
        frames.jpeg(5, 24)


def test_frames_are_decoded_together_and_a_bounded_number_is_kept(
    store: Store, videos: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    original = subject.decode_jpegs

    def counted(video: Video, start: int, stop: int) -> list[bytes]:
        decoded.append((start, stop))
        return original(video, start, stop)

    monkeypatch.setattr(subject, "decode_jpegs", counted)
    monkeypatch.setattr(subject, "CHUNK", 8)
    monkeypatch.setattr(subject, "KEPT", 2)
    frames = PairedFrames(store, videos, workers)
    for n in (0, 1, 7, 8, 0, 17, 0, 9):
        assert number(frames.jpeg(5, n)) == n
    # 8 : 16 was used least recently when 16 : 24 came.
    assert decoded == [(0, 8), (8, 16), (16, 24), (8, 16)]


def test_box_and_crop_are_fractions_and_longer_videos_are_stepped_through(
    store: Store, videos: Path, workers: Workers
) -> None:
    frames = PairedFrames(store, videos, workers)
    video = frames.video(0)
    assert (video.frames, video.width, video.height, video.first, video.step) == (12, WIDTH, HEIGHT, 0, 1)
    assert video.box == BOX
    crop = crop_around(BOX, WIDTH, HEIGHT)
    assert video.crop == pytest.approx([crop[0] / WIDTH, crop[1] / HEIGHT, crop[2] / WIDTH, crop[3] / HEIGHT])
    assert frames.video(5).step == 2


def test_a_wide_frame_is_made_smaller(
    store: Store, videos: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "WIDEST", 80)
    jpeg = PairedFrames(store, videos, workers).jpeg(0, 0)
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 80, 3)


def test_a_missing_or_broken_video_is_one_sentence(store: Store, videos: Path, workers: Workers) -> None:
    frames = PairedFrames(store, videos, workers)
    with pytest.raises(BadVideo, match=f"{videos} has no video of {NAMES[4]}"):
        frames.video(4)
    with pytest.raises(BadVideo, match=f"{NAMES[1]}_rgb.avi: "):
        frames.video(1)


@pytest.mark.parametrize(
    ("error", "words"),
    [(ZeroDivisionError, "the decoder crashed. Fetch it again"), (FloatingPointError, "took longer than 7 s")],
)
def test_a_decoder_that_crashes_or_hangs_is_one_sentence(
    store: Store, videos: Path, workers: Workers, error: type[Exception], words: str
) -> None:
    class Failing(ThreadPoolExecutor):
        def submit(self, *arguments: object, **named: object) -> Future[object]:  # type: ignore[override]
            future: Future[object] = Future()
            future.set_exception(error())
            return future

    with Failing(1) as pool, pytest.raises(BadVideo, match=words):
        PairedFrames(store, videos, replace(workers, executor=pool)).video(0)


def test_a_video_that_ends_before_its_clip_is_refused(store: Store) -> None:
    paired = ClipVideo(0, "c", PairedFrames, 10, 20, -1, None)  # type: ignore[arg-type]
    paired = replace(paired, video=Video((subject_source(),)))
    info = VideoInfo(15, WIDTH, HEIGHT, "h264", 1, True)
    with pytest.raises(BadVideo, match="c is frames 10 to 19, and the video has 15 of 160 x 96 pixels. Fetch it again"):
        describe(paired, info, 10)
    assert describe(paired, replace(info, frames=20), 10).first == 10


def subject_source():  # type: ignore[no-untyped-def]
    from prep.clip import Source

    return Source("v", "v.avi", "", 1, "1")
