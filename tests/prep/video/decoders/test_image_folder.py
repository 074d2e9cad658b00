import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.synthetic_video import image

from prep.untrusted.files import find_sources
from prep.video.decoders import image_folder
from prep.video.decoders._decoder import VideoInfo
from prep.video.request import BadVideo, Video


def folder(path: Path, ending: str = ".png", count: int = 5) -> Video:
    """A folder of synthetic images, in order."""
    path.mkdir(exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(path / f"frame_{number:04}{ending}"), image(number)[..., ::-1])
    return Video(tuple(find_sources(path, ending)), image_folder=True)


def test_images_by_index(tmp_path: Path) -> None:
    video = folder(tmp_path / "a")
    assert image_folder.probe(video) == VideoInfo(5, 112, 80, "images", 5, True)
    found = image_folder.frames(video, [0, 2, 2, 4], None)
    assert all(np.array_equal(one, image(n)) for one, n in zip(found, [0, 2, 2, 4], strict=True))
    (part,) = image_folder.frames(video, [3], (5, 7, 60, 50))
    assert np.array_equal(part, image(3)[7:50, 5:60])
    assert image_folder.frames(video, [], None) == []


def test_jpeg(tmp_path: Path) -> None:
    video = folder(tmp_path / "a", ".jpg")
    assert image_folder.probe(video) == VideoInfo(5, 112, 80, "images", 5, True)
    whole = cv2.imread(video.sources[1].path)[..., ::-1]
    assert np.array_equal(image_folder.frames(video, [1], (3, 3, 90, 71))[0], whole[3:71, 3:90])


@pytest.mark.parametrize("mode", ["grey", "progressive", "turned"])
def test_other_jpegs(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "one.jpg"
    array = image(1)[..., 0] if mode == "grey" else image(1)[..., ::-1]
    assert cv2.imwrite(str(path), array, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(mode == "progressive")])
    if mode == "turned":
        tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        block = b"Exif\0\0" + tiff
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:])
        assert cv2.imread(str(path)).shape == (112, 80, 3)
    video = Video(tuple(find_sources(tmp_path, ".jpg")), image_folder=True)
    assert (image_folder.probe(video).width, image_folder.probe(video).height) == (112, 80)
    assert image_folder.frames(video, [0], None)[0].shape == (80, 112, 3)


def test_images_in_a_zip(tmp_path: Path) -> None:
    video = folder(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for source in video.sources:
            archive.write(source.path, Path(source.path).name)
    packed = Video(tuple(find_sources(tmp_path / "a.zip", ".png")), image_folder=True)
    assert np.array_equal(image_folder.frames(packed, [4], None)[0], image(4))


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="a folder without images is not a video"):
        image_folder.probe(Video((), image_folder=True))
    video = folder(tmp_path / "a")
    with pytest.raises(BadVideo, match=r"frame_0000.png: frame 5 is requested, its frames are 0 to 4"):
        image_folder.frames(video, [5], None)
    Path(video.sources[2].path).write_bytes(Path(video.sources[1].path).read_bytes()[:-30])
    assert len(image_folder.frames(video, [1], None)) == 1
    with pytest.raises(BadVideo, match=r"frame_0002.png: was \d+ bytes when listed and is not now"):
        image_folder.frames(video, [1, 2], None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is neither JPEG nor PNG. Fetch it again"),
        (b"GIF89a" + bytes(40), "is neither JPEG nor PNG"),
        (image_folder.PNG, "is neither JPEG nor PNG"),
        (image_folder.PNG + bytes(60), "the image is truncated"),
        (b"\xff\xd8\xff\xe0\x00\x10" + bytes(40) + b"\xff\xd9", "0 x 0 pixels is not the size of an image"),
        (b"\xff\xd8\xff\xff\xff\xd9", "0 x 0 pixels is not the size of an image"),
        (
            image_folder.PNG + bytes(8) + b"\0\0\xff\0\0\0\0\x08" + image_folder.PNG_END,
            "65280 x 8 pixels, a frame has at most",
        ),
        (
            image_folder.PNG + bytes(8) + b"\0\0\x3f\0\0\0\x3f\0" + image_folder.PNG_END,
            "16128 x 16128 pixels, a frame has at",
        ),
    ],
)
def test_a_file_that_is_not_an_image(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "one.png").write_bytes(content)
    with pytest.raises(BadVideo, match=f"one.png: {words}"):
        image_folder.probe(Video(tuple(find_sources(tmp_path, ".png")), image_folder=True))


def test_an_image_with_too_many_bits_is_refused(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "one.png"), image(1)[..., 0].astype(np.uint16) * 257)
    with pytest.raises(BadVideo, match=r"one.png: has more than 8 bits per channel. Convert it to 8"):
        image_folder.frames(Video(tuple(find_sources(tmp_path, ".png")), image_folder=True), [0], None)


def test_the_announced_length_of_a_chunk_is_not_trusted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, count=1)
    data = bytearray((tmp_path / "frame_0000.png").read_bytes())
    # Without the checksum of the first chunk the next four bytes are a length of 1.3 GB.
    del data[30:32]
    (tmp_path / "frame_0000.png").write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(BadVideo, match=r"frame_0000.png: the image is damaged \(.+\)\. Fetch it again"):
        image_folder.frames(Video(tuple(find_sources(tmp_path, ".png")), image_folder=True), [0], None)
    assert time.perf_counter() - start < 1
    assert capfd.readouterr() == ("", "")


def test_a_damaged_image_and_one_of_another_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path)
    data = bytearray((tmp_path / "frame_0001.png").read_bytes())
    data[60:400] = bytes(340)
    (tmp_path / "frame_0001.png").write_bytes(data)
    assert cv2.imwrite(str(tmp_path / "frame_0003.png"), image(3, 114, 80))
    video = Video(tuple(find_sources(tmp_path, ".png")), image_folder=True)
    with pytest.raises(BadVideo, match=r"frame_0001.png: the image is damaged .+ Fetch it again"):
        image_folder.frames(video, [0, 1], None)
    with pytest.raises(BadVideo, match=r"frame_0003.png: 114 x 80 pixels, the first of its folder has 112 x 80. Make"):
        image_folder.frames(video, [0, 3], None)
    assert capfd.readouterr() == ("", "")
