import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.synthetic_video import encode, image, number_in, video_of, write_video

from prep.clip import Source
from prep.video.decoders import pyav
from prep.video.decoders._container import SEGMENT_ID, _size_in_header
from prep.video.decoders._order import constant_frame_rate
from prep.video.request import BadVideo, Video


def refused(path: Path, words: str) -> None:
    """Both probe and frames raise BadVideo with these words."""
    with pytest.raises(BadVideo, match=words):
        pyav.probe(video_of(path))
    with pytest.raises(BadVideo, match=words):
        pyav.frames(video_of(path), [0], None)


@pytest.mark.parametrize("content", [b"", b"hello " * 999, b"RIFF\xff\xff\0\0AVI LIST", bytes(5000)])
def test_a_file_that_is_not_a_video(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path / "absent.avi", r"absent.avi: cannot be read as a video \(No such file or directory\). Fetch it")
    (tmp_path / "v.avi").write_bytes(content)
    refused(
        tmp_path / "v.avi", r"v.avi: cannot be read as a video \(.+\). Fetch it again|v.avi: contains no video stream"
    )


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    path = write_video(tmp_path, "h264_mp4", 5)
    (tmp_path / "v.avi").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{path}\n#EXT-X-ENDLIST\n")
    refused(tmp_path / "v.avi", "v.avi: cannot be read as a video")
    (tmp_path / "w.avi").write_text(f"ffconcat version 1.0\nfile {path.name}\n")
    refused(tmp_path / "w.avi", "w.avi: cannot be read as a video")


def test_a_file_with_sound_only(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        for _ in range(20):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    refused(path, r"v.mp4: contains no video stream. Fetch it again, or check that it is the right file")


@pytest.mark.parametrize("kind", ["mpeg4_avi", "h264_avi", "mjpeg_avi", "h264_mp4", "h264_mkv", "vp9_webm"])
@pytest.mark.parametrize("part", [0.03, 0.4, 0.8, 0.97])
def test_a_file_that_is_truncated(tmp_path: Path, kind: str, part: float) -> None:
    path = write_video(tmp_path, kind, 30)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    refused(path, r"(cannot be read as a video|a frame is truncated|ends before|announces \d+).*Fetch it again")


def test_a_file_whose_index_comes_first_and_is_truncated(tmp_path: Path) -> None:
    whole = encode(tmp_path / "v.mp4", map(image, range(30)), "libx264", container_options={"movflags": "faststart"})
    whole.write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(BadVideo, match=r"v.mp4: ends before the last of its 30 frames. Fetch it again"):
        pyav.probe(video_of(whole))
    with pytest.raises(BadVideo, match=r"v.mp4: a frame is truncated or damaged|announces 30 frames and holds"):
        pyav.frames(video_of(whole), [0], None)


def test_an_avi_without_its_index_has_its_frames_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path, "mpeg4_avi", 30)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"idx1") : data.rindex(b"idx1") + 4] = b"JUNK"
    path.write_bytes(data)
    assert pyav.probe(video_of(path)).frames == 30
    assert [number_in(frame) for frame in pyav.frames(video_of(path), [4, 29], None)] == [4, 29]


def test_a_mp4_in_fragments(tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = encode(tmp_path / "v.mp4", map(image, range(30)), "libx264", {"g": "6"}, container_options=options)
    assert pyav.probe(video_of(path)).frames == 30
    assert [number_in(frame) for frame in pyav.frames(video_of(path), [4, 13, 29], None)] == [4, 13, 29]


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (20000, 80, "20000 x 80 pixels, a frame has at most 16384 a side and 100000000 in all. Make it smaller"),
        (16000, 16000, "0 x 0 pixels is not the size of an image. Fetch it again"),
        (0, 80, "0 x 0 pixels is not the size of an image. Fetch it again"),
    ],
)
def test_sizes_beyond_the_limit(tmp_path: Path, width: int, height: int, words: str) -> None:
    path = encode(tmp_path / "v.avi", map(image, range(3)), "ffv1")
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 12
    data[at : at + 8] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, words)


def test_more_frames_than_any_video_has(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mov", map(image, range(5)), "rawvideo", pixels="yuyv422")
    data = bytearray(path.read_bytes())
    for box, offset in ((b"stsz", 12), (b"stts", 12), (b"stsc", 16)):
        at = data.index(box) + offset
        assert data[at : at + 4] == b"\0\0\0\x05"
        data[at : at + 4] = (2_000_000).to_bytes(4, "big")
    path.write_bytes(data)
    refused(path, r"v.mov: announces 2000000 frames, a video has at most 1080000. Cut it, or leave it out")


def test_an_edit_list_leaves_frames_out(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", map(image, range(30)), "libx264", {"g": "30", "bf": "2"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    media = int.from_bytes(data[at + 16 : at + 20], "big")
    data[at + 16 : at + 20] = (media + 10 * 512).to_bytes(4, "big")
    path.write_bytes(data)
    info = pyav.probe(video_of(path))
    found = pyav.frames(video_of(path), list(range(info.frames)), None)
    assert [number_in(frame) for frame in found] == list(range(10, 30))


def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.avi")
    refused(tmp_path / "v.avi", "v.avi: is a named pipe, and only regular files are read")


def test_a_missing_member_of_a_zip(tmp_path: Path) -> None:
    video = Video((Source("v", str(tmp_path / "no.zip"), "v.avi", 10, "s"),))
    with pytest.raises(BadVideo, match=r"no.zip: v.avi: cannot be read \("):
        pyav.probe(video)


def test_ffmpeg_prints_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path, "h264_avi", 30)
    data = bytearray(path.read_bytes())
    data[8000:12000] = bytes(4000)
    path.write_bytes(data)
    script = (
        "import sys; from prep.clip import Source; from prep.errors import PrepError\n"
        "from prep.video.request import Video\n"
        "from prep.video.decoders import pyav\n"
        "try: pyav.frames(Video((Source('v', sys.argv[1], '', 1, 's'),)), [5, 29], None)\n"
        "except PrepError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_size_in_a_header() -> None:
    assert _size_in_header(b"RIFF" + (1000).to_bytes(4, "little") + b"AVI ") == 1008
    assert _size_in_header(b"\x1a\x45\xdf\xa3\x80" + SEGMENT_ID + b"\x42\x00") == 11 + 512
    assert _size_in_header(SEGMENT_ID + b"\x01\0\0\0\0\0\1\0") == 12 + 256
    # Unknown size; not such a file; truncated; a size of more than eight bytes.
    for head in (
        SEGMENT_ID + b"\x01" + b"\xff" * 7,
        SEGMENT_ID + b"\xff",
        b"",
        b"abc",
        SEGMENT_ID,
        SEGMENT_ID + b"\0\1",
    ):
        assert _size_in_header(head) == 0


def test_constant_frame_rate() -> None:
    assert constant_frame_rate([])
    assert constant_frame_rate([5])
    assert constant_frame_rate(list(range(0, 5120, 512)))
    assert constant_frame_rate([0, 33, 67, 100, 133, 167])
    assert not constant_frame_rate([0, 1, 2, 4, 5])
    assert not constant_frame_rate([0, 33, 67, 133, 167])
