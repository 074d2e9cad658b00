import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_video import KINDS, decode_all, encode, image, number_in, video_of, write_video

from prep.untrusted.files import find_sources
from prep.video.decoders import decord, pyav
from prep.video.request import BadVideo, Video

COUNT = 40


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_a_plain_decoding(tmp_path: Path, kind: str) -> None:
    path = write_video(tmp_path, kind, COUNT)
    whole, video, draw = decode_all(path), video_of(path), random.Random(0)
    asked = [[0], [COUNT - 1], [0, 0, 12, 12, 13], [], *(sorted(draw.choices(range(COUNT), k=6)) for _ in range(6))]
    for numbers in asked:
        found = decord.frames(video, numbers, (3, 5, 50, 41))
        assert len(found) == len(numbers)
        for number, frame in zip(numbers, found, strict=True):
            assert np.array_equal(frame, whole[number][5:41, 3:50]), (numbers, number)
    assert np.array_equal(decord.frames(video, [7], None)[0], whole[7])
    assert decord.probe(video) == pyav.probe(video)


def test_a_member_of_a_zip(tmp_path: Path) -> None:
    path, archive = write_video(tmp_path, "mpeg4_avi", 20), tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, path.name)
    video = Video(tuple(find_sources(archive, ".avi")))
    assert [number_in(frame) for frame in decord.frames(video, [3, 17], None)] == [3, 17]


def test_a_container_in_which_it_shows_other_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.ts", map(image, range(9)), "libx264")
    with pytest.raises(BadVideo, match=r"v.ts: decord does not find the frames of mpegts exactly. Decode it with pyav"):
        decord.frames(video_of(path), [0], None)


def test_what_it_cannot_decode(tmp_path: Path) -> None:
    path = write_video(tmp_path, "mpeg4_avi", 9)
    with pytest.raises(BadVideo, match=r"frame 9 is requested, its frames are 0 to 8"):
        decord.frames(video_of(path), [9], None)
    coded = encode(tmp_path / "v.mp4", map(image, range(3)), "libsvtav1", {"svtav1-params": "lp=1"})
    with pytest.raises(
        BadVideo, match=r"v.mp4: decord cannot decode it \(.+\). Decode it with pyav, or fetch it again"
    ):
        decord.frames(video_of(coded), [0], None)
    absent = tmp_path / "absent.avi"
    with pytest.raises(BadVideo, match=r"absent.avi: cannot be read as a video \(No such file"):
        decord.frames(video_of(absent), [0], None)
