"""Eight frames of about a hundred, one thread, processor time: this project's decoder against what one would write.

Each ends with the same window of the same frames; a rival that shows other frames is timed and marked.
Run it with `pytest -m benchmark -s tests/benchmark/test_video.py`; the memory test with `-m slow`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.shared import shared
from helpers.synthetic_video import KINDS, decode_all, encode, video_of, write_video
from numpy.typing import NDArray

from prep.video.decoders import _decoder as decoder

FRAMES, ROUNDS, SLOWER = 103, 9, 1.05
# Levels of brightness.
GRAIN = 9
WANTED = [6, 19, 32, 45, 58, 70, 83, 96]
Window = tuple[int, int, int, int]
Cuts = list[NDArray[np.uint8]]
REAL = "data/ntu/nturgb+d_rgb/S001C001P001R001A001_rgb.avi"


def cut(whole: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    left, top, right, bottom = window
    return whole[top:bottom, left:right].copy()


def ours(path: Path, window: Window) -> Cuts:
    video = video_of(path)
    return decoder.frames(video, decoder.probe(video), WANTED, window)


def ours_decord(path: Path, window: Window) -> Cuts:
    video = video_of(path)
    return decoder.frames(video, decoder.probe(video), WANTED, window, "decord")


def pyav_seeking(path: Path, window: Window) -> Cuts:
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        tick = 1 / (stream.average_rate * stream.time_base)
        for number in WANTED:
            container.seek(int(number * tick), stream=stream)
            for frame in container.decode(stream):
                if frame.pts >= int(number * tick):
                    found.append(cut(frame.to_ndarray(format="rgb24"), window))
                    break
    return found


def pyav_sequential(path: Path, window: Window) -> Cuts:
    found = []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number in WANTED:
                found.append(cut(frame.to_ndarray(format="rgb24"), window))
            if number == WANTED[-1]:
                break
    return found


def decord_batch(path: Path, window: Window) -> Cuts:
    import decord

    batch = decord.VideoReader(str(path), num_threads=1).get_batch(WANTED).asnumpy()
    return [cut(whole, window) for whole in batch]


def cv2_grab(path: Path, window: Window) -> Cuts:
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), []
    for number in range(WANTED[-1] + 1):
        capture.grab()
        if number in WANTED:
            found.append(cut(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), window))
    capture.release()
    return found


RIVALS: list[Callable[[Path, Window], Cuts]] = [pyav_seeking, pyav_sequential, decord_batch, cv2_grab]


def scenes(width: int, height: int) -> Cuts:
    """A texture that moves, under the grain of a camera: as many bytes a second as the videos of the data sets."""
    draw = np.random.default_rng(0)
    size = (width + 400, height + 400)
    smooth = cv2.resize(draw.integers(20, 160, (9, 16, 3), dtype=np.uint8), size)
    rough = cv2.resize(draw.integers(0, 56, (height // 8, width // 8, 3), dtype=np.uint8), size)
    grain = draw.integers(0, GRAIN, (8, *size[::-1], 3), dtype=np.uint8)
    return [
        (smooth + rough + grain[n % 8])[2 * n : height + 2 * n, 3 * n : width + 3 * n].copy() for n in range(FRAMES)
    ]


def compare(path: Path, window: Window, title: str) -> dict[str, float]:
    """Median milliseconds of each, interleaved so that a busy machine is so for all; printed."""
    takers = [ours, ours_decord, *RIVALS]
    seconds: dict[str, list[float]] = {taker.__name__: [] for taker in takers}
    whole = decode_all(path)
    right = [cut(whole[number], window) for number in WANTED]
    exact = {taker.__name__: same(taker(path, window), right) for taker in takers}
    del whole
    for _ in range(ROUNDS):
        for taker in takers:
            start = time.process_time()
            taker(path, window)
            seconds[taker.__name__].append(time.process_time() - start)
    median = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    print(f"\n{title}, {path.stat().st_size / 1e6:.1f} MB: 8 of {FRAMES} frames, ms of one processor")
    for name, value in sorted(median.items(), key=lambda row: row[1]):
        print(f"  {name:16} {value:7.1f}  {exact[name]}")
    assert exact["ours"] == exact["ours_decord"] == "exact"
    return median


def same(found: Cuts, right: Cuts) -> str:
    if len(found) == len(right) and all(map(np.array_equal, found, right)):
        return "exact"
    apart = [np.abs(one.astype(int) - other).mean() for one, other in zip(found, right, strict=False)]
    # Other roundings of the same frame are less than two steps of brightness apart.
    return "the same frames" if len(found) == len(right) and max(apart) < 2 else "OTHER FRAMES"


def check(median: dict[str, float]) -> None:
    fastest = min(median[rival.__name__] for rival in RIVALS)
    print(f"  ours is {fastest / median['ours']:.2f} times as fast as the fastest other")
    assert median["ours"] <= SLOWER * fastest


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_mpeg4_of_1080_lines(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.avi", scenes(1920, 1080), "mpeg4", {"g": "12", "bf": "0", "b": "11M", "maxrate": "20M"})
    check(compare(path, (700, 100, 1200, 1000), "1080p MPEG-4 part 2 in AVI, a key frame in 12"))


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_h264_of_1080_lines_and_one_key_frame() -> None:
    check(compare(shared(REAL), (700, 100, 1200, 1000), "1080p H.264 in AVI, one key frame, NTU's own"))


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_h264_of_256_lines(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", scenes(340, 256), "libx264", {"crf": "12"})
    check(compare(path, (110, 20, 230, 240), "340x256 H.264 in MP4"))


def resident() -> float:
    """Megabytes this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["pyav", "decord"])
def test_two_thousand_clips_leave_nothing_behind(tmp_path: Path, name: decoder.DecoderName) -> None:
    videos = [video_of(write_video(tmp_path, kind)) for kind in KINDS]
    held = {}
    for clip in range(1, 2001):
        video = videos[clip % len(videos)]
        info = decoder.probe(video)
        numbers = [clip % 7 + 4 * step for step in range(8)]
        assert len(decoder.frames(video, info, numbers, (8, 8, 90, 70), name)) == 8
        if clip in (200, 1000, 2000):
            held[clip] = resident()
    print(f"\n{name}: " + ", ".join(f"{value:.0f} MB after {clip} clips" for clip, value in held.items()))
    assert held[2000] - held[200] < 30
