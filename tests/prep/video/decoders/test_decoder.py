from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.synthetic_video import image, number_in, video_of, write_video

from prep.clip import Source
from prep.video.decoders import _decoder as decoder
from prep.video.decoders._decoder import VideoInfo
from prep.video.request import Video

INFO = VideoInfo(40, 112, 80, "mpeg4", 4, True)


def test_which_module_decodes() -> None:
    names = {name: decoder.choose(INFO, name).__name__ for name in ("auto", "pyav", "decord")}  # type: ignore[attr-defined]
    room = "prep.video.decoders"
    assert names == {"auto": f"{room}.pyav", "pyav": f"{room}.pyav", "decord": f"{room}.decord"}
    folder = VideoInfo(40, 112, 80, "images", 40, True)
    assert decoder.choose(folder, "decord").__name__ == f"{room}.image_folder"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["auto", "pyav", "decord"])
def test_frames_of_a_video(tmp_path: Path, name: decoder.DecoderName) -> None:
    video = video_of(write_video(tmp_path, "mpeg4_avi"))
    info = decoder.probe(video)
    assert info == INFO
    assert [number_in(frame) for frame in decoder.frames(video, info, [0, 20, 39], name=name)] == [0, 20, 39]
    whole = decoder.frames(video, info, [20], None, name)[0]
    part = decoder.frames(video, info, [20], (3, 4, 95, 60), name)[0]
    assert np.array_equal(part, whole[4:60, 3:95])


def test_frames_of_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    assert cv2.imwrite(str(path), image(5)[..., ::-1])
    video = Video((Source("one", str(path), "", path.stat().st_size, "s"),), image_folder=True)
    info = decoder.probe(video)
    assert info == VideoInfo(1, 112, 80, "images", 1, True)
    assert np.array_equal(decoder.frames(video, info, [0])[0], image(5))
