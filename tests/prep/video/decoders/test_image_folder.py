import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.synthetic_video import picture

from prep.untrusted.files import find_sources
from prep.video.decoders import image_folder as pictures
from prep.video.decoders._decoder import Look
from prep.video.request import BadVideo, Video


def folder(path: Path, ending: str = ".png", count: int = 5) -> Video:
    """A folder of invented pictures, in order."""
    path.mkdir(exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(path / f"frame_{number:04}{ending}"), picture(number)[..., ::-1])
    return Video(tuple(find_sources(path, ending)), pictures=True)


def test_pictures_by_number(tmp_path: Path) -> None:
    video = folder(tmp_path / "a")
    assert pictures.look(video) == Look(5, 112, 80, "images", 5, True)
    found = pictures.frames(video, [0, 2, 2, 4], None)
    assert all(np.array_equal(one, picture(n)) for one, n in zip(found, [0, 2, 2, 4], strict=True))
    (part,) = pictures.frames(video, [3], (5, 7, 60, 50))
    assert np.array_equal(part, picture(3)[7:50, 5:60])
    assert pictures.frames(video, [], None) == []


def test_jpeg(tmp_path: Path) -> None:
    video = folder(tmp_path / "a", ".jpg")
    assert pictures.look(video) == Look(5, 112, 80, "images", 5, True)
    whole = cv2.imread(video.sources[1].path)[..., ::-1]
    assert np.array_equal(pictures.frames(video, [1], (3, 3, 90, 71))[0], whole[3:71, 3:90])


@pytest.mark.parametrize("mode", ["grey", "progressive", "turned"])
def test_other_jpegs(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "one.jpg"
    array = picture(1)[..., 0] if mode == "grey" else picture(1)[..., ::-1]
    assert cv2.imwrite(str(path), array, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(mode == "progressive")])
    if mode == "turned":
        tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        block = b"Exif\0\0" + tiff
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:])
        assert cv2.imread(str(path)).shape == (112, 80, 3)
    video = Video(tuple(find_sources(tmp_path, ".jpg")), pictures=True)
    assert (pictures.look(video).width, pictures.look(video).height) == (112, 80)
    assert pictures.frames(video, [0], None)[0].shape == (80, 112, 3)


def test_pictures_in_a_zip(tmp_path: Path) -> None:
    video = folder(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for source in video.sources:
            archive.write(source.path, Path(source.path).name)
    packed = Video(tuple(find_sources(tmp_path / "a.zip", ".png")), pictures=True)
    assert np.array_equal(pictures.frames(packed, [4], None)[0], picture(4))


def test_what_is_no_usable_folder(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="a folder without pictures is no video"):
        pictures.look(Video((), pictures=True))
    video = folder(tmp_path / "a")
    with pytest.raises(BadVideo, match=r"frame_0000.png: frame 5 is asked for, its frames are 0 to 4"):
        pictures.frames(video, [5], None)
    Path(video.sources[2].path).write_bytes(Path(video.sources[1].path).read_bytes()[:-30])
    assert len(pictures.frames(video, [1], None)) == 1
    with pytest.raises(BadVideo, match=r"frame_0002.png: was \d+ bytes when listed and is not now"):
        pictures.frames(video, [1, 2], None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is neither JPEG nor PNG. Fetch it again"),
        (b"GIF89a" + bytes(40), "is neither JPEG nor PNG"),
        (pictures.PNG, "is neither JPEG nor PNG"),
        (pictures.PNG + bytes(60), "the picture is cut short"),
        (b"\xff\xd8\xff\xe0\x00\x10" + bytes(40) + b"\xff\xd9", "0 x 0 pixels is no picture"),
        (b"\xff\xd8\xff\xff\xff\xd9", "0 x 0 pixels is no picture"),
        (
            pictures.PNG + bytes(8) + b"\0\0\xff\0\0\0\0\x08" + pictures.PNG_END,
            "65280 x 8 pixels, a picture has at most",
        ),
        (
            pictures.PNG + bytes(8) + b"\0\0\x3f\0\0\0\x3f\0" + pictures.PNG_END,
            "16128 x 16128 pixels, a picture has at",
        ),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "one.png").write_bytes(content)
    with pytest.raises(BadVideo, match=f"one.png: {words}"):
        pictures.look(Video(tuple(find_sources(tmp_path, ".png")), pictures=True))


def test_a_picture_with_too_many_bits_is_not_guessed_at(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "one.png"), picture(1)[..., 0].astype(np.uint16) * 257)
    with pytest.raises(BadVideo, match=r"one.png: has more than 8 bits a colour. Convert it to 8"):
        pictures.frames(Video(tuple(find_sources(tmp_path, ".png")), pictures=True), [0], None)


def test_the_length_of_a_chunk_is_not_believed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, count=1)
    data = bytearray((tmp_path / "frame_0000.png").read_bytes())
    # The checksum of the first chunk is gone, so that the next four bytes say a length of 1.3 GB.
    del data[30:32]
    (tmp_path / "frame_0000.png").write_bytes(data)
    began = time.perf_counter()
    with pytest.raises(BadVideo, match=r"frame_0000.png: the picture is damaged \(.+\)\. Fetch it again"):
        pictures.frames(Video(tuple(find_sources(tmp_path, ".png")), pictures=True), [0], None)
    assert time.perf_counter() - began < 1
    assert capfd.readouterr() == ("", "")


def test_a_damaged_picture_and_one_of_another_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path)
    data = bytearray((tmp_path / "frame_0001.png").read_bytes())
    data[60:400] = bytes(340)
    (tmp_path / "frame_0001.png").write_bytes(data)
    assert cv2.imwrite(str(tmp_path / "frame_0003.png"), picture(3, 114, 80))
    video = Video(tuple(find_sources(tmp_path, ".png")), pictures=True)
    with pytest.raises(BadVideo, match=r"frame_0001.png: the picture is damaged .+ Fetch it again"):
        pictures.frames(video, [0, 1], None)
    with pytest.raises(BadVideo, match=r"frame_0003.png: 114 x 80 pixels, the first of its folder has 112 x 80. Make"):
        pictures.frames(video, [0, 3], None)
    assert capfd.readouterr() == ("", "")
