"""Small videos for tests. Every frame encodes its index in its pixels, so that a test can read which frame it is."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from prep.clip import Source
from prep.video.request import Video

BITS, SIDE, PER_ROW = 12, 16, 6
WIDTH, HEIGHT = 112, 80

# Each kind of video: file suffix, FFmpeg's encoder, its options and its pixel format.
KINDS: dict[str, tuple[str, str, dict[str, str], str]] = {
    # As NTU's XVID files: MPEG-4 part 2, every twelfth frame is a keyframe, no B-frames.
    "mpeg4_avi": ("avi", "mpeg4", {"g": "12", "bf": "0", "b": "2M"}, "yuv420p"),
    "mpeg4_b_avi": ("avi", "mpeg4", {"g": "12", "bf": "2", "b": "2M"}, "yuv420p"),
    "mpeg4_b_mp4": ("mp4", "mpeg4", {"g": "12", "bf": "2", "b": "2M"}, "yuv420p"),
    "h264_avi_one_key": ("avi", "libx264", {"g": "999", "bf": "3", "crf": "18"}, "yuv420p"),
    "h264_avi": ("avi", "libx264", {"g": "12", "bf": "3", "crf": "18", "x264-params": "scenecut=0"}, "yuv420p"),
    "h264_avi_open": (
        "avi",
        "libx264",
        {"g": "12", "bf": "3", "crf": "18", "x264-params": "scenecut=0:open-gop=1"},
        "yuv420p",
    ),
    "h264_avi_no_b": ("avi", "libx264", {"g": "12", "bf": "0", "crf": "18"}, "yuv420p"),
    "h264_avi_refresh": ("avi", "libx264", {"g": "12", "bf": "0", "crf": "18", "intra-refresh": "1"}, "yuv420p"),
    "h264_mp4_one_key": ("mp4", "libx264", {"g": "999", "bf": "3", "crf": "18"}, "yuv420p"),
    "h264_mp4": ("mp4", "libx264", {"g": "12", "bf": "3", "crf": "18"}, "yuv420p"),
    "h264_mp4_open": ("mp4", "libx264", {"g": "12", "bf": "3", "crf": "18", "x264-params": "open-gop=1"}, "yuv420p"),
    "h264_mkv": ("mkv", "libx264", {"g": "12", "bf": "3", "crf": "18"}, "yuv420p"),
    "mjpeg_avi": ("avi", "mjpeg", {"q": "3"}, "yuvj420p"),
    "vp9_webm": ("webm", "libvpx-vp9", {"g": "12", "crf": "20", "b": "0", "cpu-used": "8"}, "yuv420p"),
    "vp8_webm": ("webm", "libvpx", {"g": "12", "b": "1M", "auto-alt-ref": "1", "lag-in-frames": "8"}, "yuv420p"),
    "ffv1_mkv": ("mkv", "ffv1", {}, "yuv444p"),
}


def image(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Frame `number`: BITS black or white squares at the top, on a moving coloured texture, (height, width, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    texture = np.kron(noise, np.ones((8, 8, 1), dtype=np.uint8))
    frame = np.roll(texture, (3 * number, 5 * number), axis=(0, 1))[:height, :width].copy()
    for bit in range(BITS):
        row, column = divmod(bit, PER_ROW)
        value = 255 if number >> bit & 1 else 0
        frame[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = value
    return frame


def number_in(frame: NDArray[np.uint8]) -> int:
    """The index that is encoded in a whole decoded frame."""
    number = 0
    for bit in range(BITS):
        row, column = divmod(bit, PER_ROW)
        inside = frame[row * SIDE + 4 : (row + 1) * SIDE - 4, column * SIDE + 4 : (column + 1) * SIDE - 4]
        number |= int(inside.mean() > 127) << bit
    return number


def encode(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    codec: str,
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    timestamps: Iterable[int] | None = None,
    rate: int = 30,
    container_options: dict[str, str] | None = None,
    **attributes: Any,
) -> Path:
    """Encode a video. `timestamps` are the PTS of the images in frames; `attributes` are set on the codec context."""
    times = None if timestamps is None else iter(timestamps)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt = pixels
        for name, value in attributes.items():
            setattr(stream.codec_context, name, value)
        for number, array in enumerate(images):
            if number == 0:
                stream.height, stream.width = array.shape[:2]
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pixels)
            frame.pts = number if times is None else next(times)
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_video(folder: Path, kind: str, frames: int = 40, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write a synthetic video of one of KINDS."""
    suffix, codec, options, pixels = KINDS[kind]
    path = folder / f"{kind}.{suffix}"
    return encode(path, (image(n, width, height) for n in range(frames)), codec, options, pixels)


def video_of(path: Path) -> Video:
    """The argument of a decoder for a file."""
    size = path.stat().st_size if path.exists() else 0
    return Video((Source(path.stem, str(path), "", size, str(size)),))


def decode_all(path: Path) -> list[NDArray[np.uint8]]:
    """Decode and convert every whole frame in order: the reference for all decoders."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
