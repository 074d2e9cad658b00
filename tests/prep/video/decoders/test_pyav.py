import random
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.shared import shared
from helpers.synthetic_video import KINDS, decode_all, encode, image, number_in, video_of, write_video

from prep.untrusted.files import find_sources
from prep.video.decoders import decord, pyav
from prep.video.decoders._container import open_video
from prep.video.decoders._order import PacketOrder, packet_order
from prep.video.request import BadVideo, Video

COUNT = 40
ASKED = [list(range(COUNT)), [0], [COUNT - 1], [0, 0, 13, 13, 14, 39], [3, 8, 13, 18, 23, 28, 33, 38], [25, 26], []]
# Random access points; no entry: only the first frame.
RANDOM_ACCESS = {
    "mpeg4_avi": (0, 12, 24, 36),
    "h264_avi": (0, 12, 24, 36),
    "h264_avi_no_b": (0, 12, 24, 36),
    "mpeg4_b_mp4": (0, 10, 22, 34),
    "h264_mkv": (0, 12, 24, 36),
    "h264_mp4": (0, 12, 24, 36),
    "mjpeg_avi": tuple(range(COUNT)),
    "vp9_webm": (0, 12, 24, 36),
    "ffv1_mkv": (0, 12, 24, 36),
}
COUNTED = ("mpeg4_b_avi", "vp8_webm")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {kind: write_video(folder, kind, COUNT) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_a_plain_decoding(videos: dict[str, Path], kind: str) -> None:
    whole, video = decode_all(videos[kind]), video_of(videos[kind])
    assert [number_in(frame) for frame in whole] == list(range(COUNT))
    for numbers in ASKED:
        found = pyav.frames(video, numbers, None)
        assert len(found) == len(numbers)
        assert all(np.array_equal(frame, whole[n]) for frame, n in zip(found, numbers, strict=True))
        assert all(frame.dtype == np.uint8 for frame in found)


@pytest.mark.parametrize("kind", KINDS)
def test_properties_according_to_the_container(videos: dict[str, Path], kind: str) -> None:
    info = pyav.probe(video_of(videos[kind]))
    codec = {"libx264": "h264", "libvpx-vp9": "vp9", "libvpx": "vp8"}.get(KINDS[kind][1], KINDS[kind][1])
    assert (info.frames, info.width, info.height, info.codec, info.constant_frame_rate) == (COUNT, 112, 80, codec, True)
    assert info.keyframes == {"mjpeg_avi": COUNT, "vp8_webm": 5}.get(kind, 1 if "one_key" in kind else 4)


@pytest.mark.parametrize("kind", KINDS)
def test_random_access_points(videos: dict[str, Path], kind: str) -> None:
    with open_video(video_of(videos[kind])) as file:
        found = packet_order(file)
    assert found.known == (kind not in COUNTED)
    assert found.random_access == RANDOM_ACCESS.get(kind, (0,))


@pytest.mark.parametrize("kind", ["mpeg4_avi", "h264_avi", "h264_avi_one_key", "h264_mp4", "mjpeg_avi", "vp9_webm"])
def test_three_libraries_return_the_same_frames(videos: dict[str, Path], kind: str) -> None:
    video, numbers = video_of(videos[kind]), [0, 1, 11, 12, 13, 30, 39]
    found = pyav.frames(video, numbers, None)
    for one, other in zip(found, decord.frames(video, numbers, None), strict=True):
        assert np.array_equal(one, other)
    capture = cv2.VideoCapture(str(videos[kind]))
    read = [number_in(capture.read()[1]) for _ in range(COUNT)]
    assert [number_in(frame) for frame in found] == [read[n] for n in numbers] == numbers
    capture.release()


@pytest.mark.parametrize("kind", ["mpeg4_avi", "mjpeg_avi", "ffv1_mkv"])
@pytest.mark.parametrize(("width", "height"), [(112, 80), (114, 82), (113, 81)])
def test_a_window_is_a_cut_out_of_the_whole(tmp_path: Path, kind: str, width: int, height: int) -> None:
    path = write_video(tmp_path, kind, 3, width, height)
    video, whole = video_of(path), decode_all(path)[2]
    windows = [(0, 0, width, height), (1, 1, 2, 2), (width - 1, height - 1, width, height), (0, 0, 1, 1)]
    draw = np.random.default_rng(0)
    for _ in range(12):
        left, right = sorted(draw.choice(width + 1, 2, replace=False).tolist())
        top, bottom = sorted(draw.choice(height + 1, 2, replace=False).tolist())
        windows.append((left, top, right, bottom))
    for window in windows:
        left, top, right, bottom = window
        (found,) = pyav.frames(video, [2], window)
        assert np.array_equal(found, whole[top:bottom, left:right]), window


@pytest.mark.parametrize("attributes", [{}, {"colorspace": 1}, {"color_range": 2}, {"colorspace": 1, "color_range": 2}])
def test_a_crop_has_the_colours_of_the_frame(tmp_path: Path, attributes: dict[str, int]) -> None:
    path = encode(tmp_path / "v.mp4", map(image, range(4)), "libx264", **attributes)
    (found,) = pyav.frames(video_of(path), [3], (7, 9, 88, 71))
    assert np.array_equal(found, decode_all(path)[3][9:71, 7:88])


@pytest.mark.parametrize("ending", ["avi", "mp4"])
def test_a_crop_of_an_interlaced_frame(tmp_path: Path, ending: str) -> None:
    options = {"g": "12", "bf": "2", "x264-params": "interlaced=1"}
    path = encode(tmp_path / f"v.{ending}", map(image, range(20)), "libx264", options)
    whole = decode_all(path)
    for number, found in zip([4, 15], pyav.frames(video_of(path), [4, 15], (7, 9, 88, 71)), strict=True):
        assert np.array_equal(found, whole[number][9:71, 7:88])


@pytest.mark.parametrize("case", range(24))
def test_h264_of_many_settings(tmp_path: Path, case: int) -> None:
    draw = random.Random(case)
    options = {"g": str(draw.choice([1, 5, 12, 999])), "preset": draw.choice(["ultrafast", "veryfast", "medium"])}
    settings = {
        "bframes": draw.choice([0, 1, 3, 8]),
        "b-pyramid": draw.choice(["none", "normal", "strict"]),
        "open-gop": draw.choice([0, 1]),
        "ref": draw.randint(1, 6),
        "slices": draw.choice([1, 3]),
        "intra-refresh": draw.choice([0, 0, 1]),
        "interlaced": draw.choice([0, 0, 0, 1]),
    }
    options["x264-params"] = ":".join(f"{name}={value}" for name, value in settings.items())
    ending = ["avi", "mp4", "mkv", "ts"][case % 4]
    path = encode(tmp_path / f"v.{ending}", map(image, range(33)), "libx264", options)
    whole, video = decode_all(path), video_of(path)
    assert pyav.probe(video).frames == len(whole) == 33
    for _ in range(4):
        numbers = sorted(draw.choices(range(33), k=draw.randint(1, 6)))
        for number, found in zip(numbers, pyav.frames(video, numbers, None), strict=True):
            assert np.array_equal(found, whole[number]), (numbers, number, options)


@pytest.mark.parametrize(("ending", "codec"), [("mpg", "mpeg2video"), ("wmv", "wmv2"), ("avi", "msmpeg4")])
def test_other_codecs_are_counted(tmp_path: Path, ending: str, codec: str) -> None:
    path = encode(tmp_path / f"v.{ending}", map(image, range(20)), codec, {"g": "6", "b": "2M"})
    assert [number_in(f) for f in pyav.frames(video_of(path), [0, 7, 19], None)] == [0, 7, 19]


def test_frames_of_a_variable_frame_rate_are_taken_by_index(tmp_path: Path) -> None:
    timestamps = [0, 1, 2, 5, 6, 7, 9, 10, 20, 21]
    for ending, codec in (("mkv", "libx264"), ("mp4", "libx264"), ("avi", "mpeg4"), ("avi", "libx264")):
        options = {"g": "4", "bf": "0" if ending == "avi" else "2"}
        path = encode(tmp_path / f"{codec}.{ending}", map(image, range(10)), codec, options, timestamps=timestamps)
        info = pyav.probe(video_of(path))
        assert (info.frames, info.constant_frame_rate) == (10, False)
        assert [number_in(f) for f in pyav.frames(video_of(path), [0, 4, 8, 9], None)] == [0, 4, 8, 9]


def test_a_member_of_a_zip(videos: dict[str, Path], tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for kind in ("mpeg4_avi", "h264_mp4", "vp9_webm"):
            file.write(videos[kind], f"videos/{videos[kind].name}")
    for source in find_sources(archive, (".avi", ".mp4", ".webm")):
        video = Video((source,))
        assert pyav.probe(video) == pyav.probe(video_of(videos[source.name]))
        assert [number_in(f) for f in pyav.frames(video, [5, 30], None)] == [5, 30]


def test_packets_between_requested_frames_are_skipped() -> None:
    steps = PacketOrder(tuple(range(48)), tuple(range(48)), (0, 12, 24, 36), True)
    made = pyav.packet_ranges(steps, [2, 5, 14, 40, 41])
    assert [(run.first, run.last, run.frames) for run in made] == [(0, 5, (2, 5)), (12, 14, (14,)), (36, 41, (40, 41))]
    # No packet could be skipped before frame 12.
    assert [(run.first, run.last) for run in pyav.packet_ranges(steps, [11, 12])] == [(0, 12)]
    counted = PacketOrder(tuple(range(48)), tuple(range(48)), (0, 24), False)
    assert [(run.first, run.last) for run in pyav.packet_ranges(counted, [3, 30])] == [(0, 47)]


def test_leading_pictures_are_not_decoded_from_their_random_access_point() -> None:
    # Packet 3 is a random access point; packet 4 is presented before it and refers to packet 0 too.
    group = PacketOrder((0, 1, 2, 3, 4), (0, 2, 1, 4, 3), (0, 3), True, pts=(0, 2, 1, 4, 3))
    assert [group.first_packet(frame) for frame in range(5)] == [0, 0, 0, 0, 3]


def test_fewer_packets_are_decoded_than_lie_before_a_frame(videos: dict[str, Path], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    read = []
    kept = pyav.packets
    monkeypatch.setattr(pyav, "packets", lambda file: (read.append(p.pos) or p for p in kept(file)))
    pyav.frames(video_of(videos["mpeg4_avi"]), [25, 38], None)
    assert len(read) == 2 + 3


def test_the_decoder_overrules_a_wrong_presentation_order(videos: dict[str, Path], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    kept = pyav.packet_order

    def wrong(file: object) -> PacketOrder:
        true = kept(file)
        return PacketOrder(true.timestamps, true.presentation[:2] + true.presentation[:1:-1], true.random_access, True)

    monkeypatch.setattr(pyav, "packet_order", wrong)
    found = pyav.frames(video_of(videos["h264_avi_one_key"]), [5, 20, 39], None)
    assert [number_in(frame) for frame in found] == [5, 20, 39]


def test_frames_and_crops_out_of_range(videos: dict[str, Path]) -> None:
    video = video_of(videos["mpeg4_avi"])
    with pytest.raises(BadVideo, match=r"mpeg4_avi.avi: frame 40 is requested, its frames are 0 to 39. Check that"):
        pyav.frames(video, [3, 40], None)
    with pytest.raises(BadVideo, match="frame -1 is requested"):
        pyav.frames(video, [-1, 4], None)
    with pytest.raises(BadVideo, match=r"frames \[4, 3\] are requested, indexes must ascend"):
        pyav.frames(video, [4, 3], None)
    for window in [(0, 0, 113, 10), (5, 5, 5, 9), (-1, 0, 4, 4), (0, 70, 9, 81)]:
        with pytest.raises(BadVideo, match="its frames have 112 x 80 pixels. Correct the crop"):
            pyav.frames(video, [0], window)


def test_a_frame_without_data_is_listed(videos: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(videos["mpeg4_avi"].read_bytes())
    with av.open(str(videos["mpeg4_avi"])) as container:
        entry = container.streams.video[0].index_entries[39]
    # vop_coded 0 would do; a start code of nothing does too.
    data[entry.pos + 8 : entry.pos + 8 + entry.size] = bytes(entry.size)
    path = tmp_path / "hole.avi"
    path.write_bytes(data)
    with pytest.raises(BadVideo, match=r"hole.avi: (frame 39 of its 40 frames cannot be decoded|cannot be read)"):
        pyav.frames(video_of(path), [39], None)


def test_the_real_video_of_ntu() -> None:
    path = shared("data/ntu/nturgb+d_rgb") / "S001C001P001R001A001_rgb.avi"
    video, numbers = video_of(path), [6, 19, 32, 45, 58, 70, 83, 96]
    info = pyav.probe(video)
    assert (info.frames, info.width, info.height, info.codec, info.keyframes) == (103, 1920, 1080, "h264", 1)
    window = (701, 95, 1203, 1000)
    for one, other in zip(pyav.frames(video, numbers, None), decord.frames(video, numbers, None), strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(pyav.frames(video, numbers, window), decord.frames(video, numbers, window), strict=True):
        assert np.array_equal(one, other)
        assert one.shape == (905, 502, 3)
