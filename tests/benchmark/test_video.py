"""CPU time to decode and crop 8 of 103 frames on one thread: the project's decoders against plain uses of each library.

All return the same crop of the same frames; a rival that returns other frames is timed and marked.
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
# Amplitude of the noise in intensity levels.
NOISE = 9
INDEXES = [6, 19, 32, 45, 58, 70, 83, 96]
Crop = tuple[int, int, int, int]
Frames = list[NDArray[np.uint8]]
REAL = "data/ntu/nturgb+d_rgb/S001C001P001R001A001_rgb.avi"


def crop_of(whole: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    left, top, right, bottom = crop
    return whole[top:bottom, left:right].copy()


def ours(path: Path, crop: Crop) -> Frames:
    video = video_of(path)
    return decoder.frames(video, decoder.probe(video), INDEXES, crop)


def ours_decord(path: Path, crop: Crop) -> Frames:
    video = video_of(path)
    return decoder.frames(video, decoder.probe(video), INDEXES, crop, "decord")


def pyav_seeking(path: Path, crop: Crop) -> Frames:
    crops = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        tick = 1 / (stream.average_rate * stream.time_base)
        for index in INDEXES:
            container.seek(int(index * tick), stream=stream)
            for frame in container.decode(stream):
                if frame.pts >= int(index * tick):
                    crops.append(crop_of(frame.to_ndarray(format="rgb24"), crop))
                    break
    return crops


def pyav_sequential(path: Path, crop: Crop) -> Frames:
    crops = []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for index, frame in enumerate(container.decode(video=0)):
            if index in INDEXES:
                crops.append(crop_of(frame.to_ndarray(format="rgb24"), crop))
            if index == INDEXES[-1]:
                break
    return crops


def decord_batch(path: Path, crop: Crop) -> Frames:
    import decord

    batch = decord.VideoReader(str(path), num_threads=1).get_batch(INDEXES).asnumpy()
    return [crop_of(whole, crop) for whole in batch]


def cv2_grab(path: Path, crop: Crop) -> Frames:
    capture, crops = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), []
    for index in range(INDEXES[-1] + 1):
        capture.grab()
        if index in INDEXES:
            crops.append(crop_of(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), crop))
    capture.release()
    return crops


RIVALS: list[Callable[[Path, Crop], Frames]] = [pyav_seeking, pyav_sequential, decord_batch, cv2_grab]


def scenes(width: int, height: int) -> Frames:
    """A texture that moves, with the noise of a camera: the bit rate of the datasets' videos."""
    draw = np.random.default_rng(0)
    size = (width + 400, height + 400)
    smooth = cv2.resize(draw.integers(20, 160, (9, 16, 3), dtype=np.uint8), size)
    rough = cv2.resize(draw.integers(0, 56, (height // 8, width // 8, 3), dtype=np.uint8), size)
    noise = draw.integers(0, NOISE, (8, *size[::-1], 3), dtype=np.uint8)
    return [
        (smooth + rough + noise[n % 8])[2 * n : height + 2 * n, 3 * n : width + 3 * n].copy() for n in range(FRAMES)
    ]


def compare(path: Path, crop: Crop, title: str) -> dict[str, float]:
    """Print the median milliseconds of each; interleaved, so that all suffer alike from a busy machine."""
    decoders = [ours, ours_decord, *RIVALS]
    seconds: dict[str, list[float]] = {decode.__name__: [] for decode in decoders}
    whole = decode_all(path)
    expected = [crop_of(whole[index], crop) for index in INDEXES]
    exact = {decode.__name__: same(decode(path, crop), expected) for decode in decoders}
    del whole
    for _ in range(ROUNDS):
        for decode in decoders:
            start = time.process_time()
            decode(path, crop)
            seconds[decode.__name__].append(time.process_time() - start)
    median = {name: 1000 * statistics.median(values) for name, values in seconds.items()}
    print(f"\n{title}, {path.stat().st_size / 1e6:.1f} MB: 8 of {FRAMES} frames, CPU ms")
    for name, value in sorted(median.items(), key=lambda row: row[1]):
        print(f"  {name:16} {value:7.1f}  {exact[name]}")
    assert exact["ours"] == exact["ours_decord"] == "exact"
    return median


def same(crops: Frames, expected: Frames) -> str:
    if len(crops) == len(expected) and all(map(np.array_equal, crops, expected)):
        return "exact"
    apart = [np.abs(one.astype(int) - other).mean() for one, other in zip(crops, expected, strict=False)]
    # Different rounding of the same frame changes it by less than two intensity levels.
    return "the same frames" if len(crops) == len(expected) and max(apart) < 2 else "OTHER FRAMES"


def check(median: dict[str, float]) -> None:
    fastest = min(median[rival.__name__] for rival in RIVALS)
    print(f"  ours is {fastest / median['ours']:.2f} times as fast as the fastest other")
    assert median["ours"] <= SLOWER * fastest


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_mpeg4_1080p(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.avi", scenes(1920, 1080), "mpeg4", {"g": "12", "bf": "0", "b": "11M", "maxrate": "20M"})
    check(compare(path, (700, 100, 1200, 1000), "1080p MPEG-4 part 2 in AVI, keyframe interval 12"))


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_h264_1080p_with_one_keyframe() -> None:
    check(compare(shared(REAL), (700, 100, 1200, 1000), "1080p H.264 in AVI, one keyframe, the real file of NTU"))


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_h264_340x256(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", scenes(340, 256), "libx264", {"crf": "12"})
    check(compare(path, (110, 20, 230, 240), "340x256 H.264 in MP4"))


def resident() -> float:
    """Resident memory of this process in megabytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["pyav", "decord"])
def test_two_thousand_clips_leak_no_memory(tmp_path: Path, name: decoder.DecoderName) -> None:
    videos = [video_of(write_video(tmp_path, kind)) for kind in KINDS]
    megabytes = {}
    for clip in range(1, 2001):
        video = videos[clip % len(videos)]
        info = decoder.probe(video)
        numbers = [clip % 7 + 4 * step for step in range(8)]
        assert len(decoder.frames(video, info, numbers, (8, 8, 90, 70), name)) == 8
        if clip in (200, 1000, 2000):
            megabytes[clip] = resident()
    print(f"\n{name}: " + ", ".join(f"{value:.0f} MB after {clip} clips" for clip, value in megabytes.items()))
    assert megabytes[2000] - megabytes[200] < 30
