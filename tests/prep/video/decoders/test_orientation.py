"""Frames are turned as the display matrix of a video, or the Exif orientation of an image, says."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_video import image, video_of
from PIL import Image, ImageOps

from prep.untrusted.files import find_sources
from prep.video.decoders import _decoder as decoder
from prep.video.decoders._orientation import ONE, displayed_size, orientation_of, stored_crop, turn
from prep.video.request import BadVideo, Video

MATRICES = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1)}
MATRICES |= {5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}


def jpeg(path: Path, orientation: int, size: tuple[int, int] = (48, 32)) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image(5, *size)).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    path = jpeg(tmp_path / "1.jpg", orientation)
    video = Video(video_of(path).sources, image_folder=True)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    info = decoder.probe(video)
    assert (info.height, info.width) == expected.shape[:2]
    assert np.array_equal(decoder.frames(video, info, [0])[0], expected)
    assert np.array_equal(decoder.frames(video, info, [0], (3, 5, 20, 31))[0], expected[5:31, 3:20])


def test_images_of_two_orientations_are_no_video(tmp_path: Path) -> None:
    jpeg(tmp_path / "1.jpg", 1), jpeg(tmp_path / "2.jpg", 3)
    video = Video(tuple(find_sources(tmp_path, ".jpg")), image_folder=True)
    with pytest.raises(BadVideo, match=r"2\.jpg: has another Exif orientation than the first .* Turn them alike"):
        decoder.frames(video, decoder.probe(video), [0, 1])


@pytest.mark.parametrize("value", [0, 9, 2**15])
def test_an_orientation_that_does_not_exist_is_none(tmp_path: Path, value: int) -> None:
    assert decoder.probe(Video(video_of(jpeg(tmp_path / "1.jpg", value)).sources, image_folder=True)).orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_display_matrix_moves_pixels_as_it_moves_points(orientation: int) -> None:
    a, b, c, d = MATRICES[orientation]
    assert orientation_of(struct.pack("=9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 7, 9, 2**30), "") == orientation
    stored = np.arange(24).reshape(4, 6, 1).astype(np.uint8)
    ys, xs = np.mgrid[:4, :6]
    x, y = a * xs + c * ys, b * xs + d * ys
    expected = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1, 1), np.uint8)
    expected[y - y.min(), x - x.min()] = stored
    turned = turn(stored, orientation)
    assert np.array_equal(turned, expected)
    width, height = displayed_size(orientation, 6, 4)
    assert turned.shape[:2] == (height, width)
    left, top, right, bottom = stored_crop(orientation, (1, 0, 3, 4), width, height)
    assert np.array_equal(turn(stored[top:bottom, left:right], orientation), turned[0:4, 1:3])


def test_other_angles_are_refused() -> None:
    with pytest.raises(BadVideo, match=r"a\.mp4: its frames are turned by an angle that is no multiple of 90 degrees"):
        orientation_of(struct.pack("=9i", 46341, 46341, 0, -46341, 46341, 0, 0, 0, 2**30), "a.mp4")


@pytest.fixture
def turned_video(tmp_path: Path) -> Path:
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.set_display_rotation(-90)
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image(number, 48, 32), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_video_is_turned(turned_video: Path) -> None:
    import av

    with av.open(str(turned_video)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    video = video_of(turned_video)
    info = decoder.probe(video)
    assert (info.width, info.height, info.orientation) == (32, 48, 6)
    assert np.array_equal(decoder.frames(video, info, [2])[0], np.rot90(stored[2], -1))
    assert np.array_equal(decoder.frames(video, info, [2], (2, 4, 30, 44))[0], np.rot90(stored[2], -1)[4:44, 2:30])
    with pytest.raises(BadVideo, match=r"turned for display, which decord does in its own way\. Use pyav"):
        decoder.frames(video, info, [2], None, "decord")


def test_a_png_may_have_an_orientation_too(tmp_path: Path) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 8
    Image.fromarray(image(5, 48, 32)).save(file, "PNG", exif=exif)
    (tmp_path / "1.png").write_bytes(file.getvalue())
    info = decoder.probe(Video(video_of(tmp_path / "1.png").sources, image_folder=True))
    assert (info.width, info.height, info.orientation) == (32, 48, 8)
