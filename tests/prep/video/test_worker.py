"""One clip is decoded: its frames, its crop, or the reason why there are none, and notes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.shared import shared
from helpers.synthetic_video import image, number_in, write_video

import prep.video.worker as subject
from prep.clip import Source
from prep.errors import BadFile, PrepError
from prep.video.decoders._decoder import VideoInfo
from prep.video.request import BadVideo, ClipVideo, Crop, DecodedClip, FrameRequest, Video
from prep.video.worker import NO_BOX, VARIABLE_FRAME_RATE, decode_clip

WIDTH, HEIGHT = 160, 90
BOX = (0.375, 0.25, 0.625, 0.75)  # 40 x 45 pixels of 160 x 90
VIDEO = Video((Source("v", "videos/v.avi", "", 1, "1-1"),))


def clip_of(
    video: Video = VIDEO,
    frames: tuple[int, int] = (-1, -1),
    skeleton_frames: int = -1,
    box: tuple[float, float, float, float] | None = BOX,
    synchronised: bool = True,
    shape: tuple[int, int] = (16, 9),
) -> ClipVideo:
    return ClipVideo(3, "clip_001", video, *frames, skeleton_frames, box, synchronised, shape)


def video_at(path: Path) -> Video:
    return Video((Source(path.stem, str(path), "", path.stat().st_size, f"{path.stat().st_size}-1"),))


class Fake:
    """A decoder whose frame n is uniformly grey n, and that records its requests."""

    def __init__(self, info: VideoInfo) -> None:
        self.info, self.requests = info, list[tuple[tuple[int, ...], Crop | None, str]]()

    def probe(self, video: Video) -> VideoInfo:
        return self.info

    def frames(
        self, video: Video, info: VideoInfo, indexes: Sequence[int], crop: Crop | None, name: str
    ) -> list[np.ndarray]:
        self.requests.append((tuple(indexes), crop, name))
        left, top, right, bottom = crop or (0, 0, info.width, info.height)
        return [np.full((bottom - top, right - left, 3), number, np.uint8) for number in indexes]


def decoded_by(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> Fake:
    monkeypatch.setattr(subject, "probe", fake.probe)
    monkeypatch.setattr(subject, "frames", fake.frames)
    return fake


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fake]:
    def make(frames: int = 103, width: int = WIDTH, height: int = HEIGHT, constant: bool = True) -> Fake:
        return decoded_by(monkeypatch, Fake(VideoInfo(frames, width, height, "h264", 1, constant)))

    return make


def test_a_trimmed_video_is_sampled_over_its_own_frames_and_cut_to_its_square(fake: Callable[..., Fake]) -> None:
    requests = fake().requests
    decoded = decode_clip(clip_of(skeleton_frames=103), FrameRequest(8, 16, decoder="decord"))
    # 40 x 45 pixels about (80, 45); the square is 59 = ceil(1.3 x 46), since the box touches 46 rows.
    assert requests == [((6, 19, 32, 45, 57, 70, 83, 96), (50, 15, 110, 75), "decord")]
    assert decoded.frames is not None
    assert decoded.frames.shape == (8, 16, 16, 3)
    assert decoded.frames.dtype == np.uint8
    assert decoded.frames[:, 5, 5, 0].tolist() == [6, 19, 32, 45, 57, 70, 83, 96]
    assert (decoded.clip, decoded.reason, decoded.notes, decoded.frame_count) == (3, "", (), 103)


def test_a_segment_is_sampled_over_its_frames(fake: Callable[..., Fake]) -> None:
    requests = fake(frames=40).requests
    decoded = decode_clip(clip_of(frames=(10, 40), skeleton_frames=30), FrameRequest(3, 16))
    assert requests[0][0] == (15, 25, 35)
    assert (decoded.frame_count, decoded.notes) == (40, ())


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((10, 41), "clip_001 is frames 10 to 40, and the video has 40. Fetch it again, or check that it is the video"),
        ((10, 10), "clip_001 is frames 10 : 10, which is none. Correct the labels."),
    ],
)
def test_a_segment_out_of_range_is_bad(fake: Callable[..., Fake], frames: tuple[int, int], words: str) -> None:
    requests = fake(frames=40).requests
    decoded = decode_clip(clip_of(frames=frames), FrameRequest(8, 16))
    assert decoded.frames is None
    assert decoded.reason.startswith(f"videos/v.avi: {words}")
    assert (decoded.frame_count, decoded.notes, requests) == (40, (), [])


def test_another_count_than_the_skeletons_is_a_note(fake: Callable[..., Fake]) -> None:
    fake(frames=60)
    request = FrameRequest(8, 16)
    decoded = decode_clip(clip_of(skeleton_frames=103), request)
    assert decoded.notes == ("the video has 60 frames, the skeleton 103",)
    assert decoded.frames is not None
    # Not where the two do not belong synchronised, nor where the skeleton's is unknown, nor in an untrimmed video.
    assert decode_clip(clip_of(skeleton_frames=103, synchronised=False), request).notes == ()
    assert decode_clip(clip_of(skeleton_frames=-1), request).notes == ()
    assert decode_clip(clip_of(skeleton_frames=30, frames=(0, 30)), request).notes == ()


def test_without_a_box_the_frame_is_cropped_at_its_centre_with_a_note(fake: Callable[..., Fake]) -> None:
    requests = fake().requests
    assert decode_clip(clip_of(box=None), FrameRequest(1, 16)).notes == (NO_BOX,)
    assert decode_clip(clip_of(box=None), FrameRequest(1, 16, crop="whole")).notes == ()
    assert decode_clip(clip_of(), FrameRequest(1, 16, crop="whole")).notes == ()
    assert [crop for _, crop, _ in requests] == [(35, 0, 125, 90)] * 3


def test_a_crop_beyond_the_frame_is_decoded_as_far_as_the_frame(fake: Callable[..., Fake]) -> None:
    requests = fake(frames=10).requests
    decoded = decode_clip(clip_of(box=(0.125, 0.25, 0.875, 0.75)), FrameRequest(1, 40))
    assert requests[0][1] == (20, 0, 140, 90)
    assert decoded.frames is not None
    assert not decoded.frames[0, :4].any()
    assert (decoded.frames[0, 6:34] == 5).all()
    assert not decoded.frames[0, 36:].any()


@pytest.mark.parametrize(
    ("size", "shape", "odd"),
    [
        ((1920, 1080), (16, 9), False),
        ((340, 256), (16, 9), True),
        ((640, 480), (16, 9), True),
        ((854, 480), (16, 9), False),
        ((640, 480), (0, 0), False),
        ((640, 480), (4, 3), False),
        ((480, 640), (4, 3), True),
    ],
)
def test_a_frame_of_another_shape_is_a_note(
    fake: Callable[..., Fake], size: tuple[int, int], shape: tuple[int, int], odd: bool
) -> None:
    fake(width=size[0], height=size[1])
    what = f"the picture is {size[0]} x {size[1]}, the joints are known in one of {shape[0]} : {shape[1]}"
    assert decode_clip(clip_of(shape=shape), FrameRequest(1, 8)).notes == ((what,) if odd else ())
    assert decode_clip(clip_of(shape=shape), FrameRequest(1, 8, crop="whole")).notes == ()


def test_a_variable_frame_rate_is_a_note_beside_the_others(fake: Callable[..., Fake]) -> None:
    fake(constant=False)
    decoded = decode_clip(clip_of(skeleton_frames=5, box=None), FrameRequest(1, 8))
    assert decoded.notes == ("the video has 103 frames, the skeleton 5", VARIABLE_FRAME_RATE, NO_BOX)


@pytest.mark.parametrize(("frames", "width", "height"), [(0, 160, 90), (5, 0, 90), (5, 160, 0), (-1, 160, 90)])
def test_an_empty_video_is_bad(fake: Callable[..., Fake], frames: int, width: int, height: int) -> None:
    fake(frames=frames, width=width, height=height)
    decoded = decode_clip(clip_of(), FrameRequest(8, 16))
    assert decoded.reason == f"videos/v.avi: {frames} frames of {width} x {height} pixels. Fetch it again."
    assert decoded.frames is None


def test_a_folder_of_images_is_named_by_its_first(fake: Callable[..., Fake]) -> None:
    fake(frames=0)
    decoded = decode_clip(clip_of(Video(VIDEO.sources * 2, image_folder=True)), FrameRequest(8, 16))
    assert decoded.reason.startswith("videos/v.avi and the other images of its folder: 0 frames of 160 x 90 pixels.")


def test_a_frame_of_another_size_than_announced_is_bad(
    fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake()
    monkeypatch.setattr(subject, "frames", lambda *_: [np.zeros((40, 60, 3), np.uint8)])
    decoded = decode_clip(clip_of(), FrameRequest(1, 16))
    assert decoded.reason == "videos/v.avi: a frame is not of 160 x 90 pixels, as its header says. Fetch it again."
    assert (decoded.frames, decoded.frame_count) == (None, 103)


@pytest.mark.parametrize("error", [BadVideo("v.avi: is no video."), BadFile("v.avi: is gone.")])
@pytest.mark.parametrize("step", ["probe", "frames"])
def test_an_error_of_a_video_is_a_reason(
    fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch, error: PrepError, step: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    fake()
    monkeypatch.setattr(subject, step, fails)
    assert decode_clip(clip_of(), FrameRequest(8, 16)) == DecodedClip(
        3, None, str(error), (), -1 if step == "probe" else 103
    )


def test_an_error_of_the_machine_is_raised(fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise PrepError("decord is not installed.")

    fake()
    monkeypatch.setattr(subject, "frames", fails)
    with pytest.raises(PrepError, match="decord is not installed."):
        decode_clip(clip_of(), FrameRequest(8, 16))


def test_a_real_decoder_gives_the_frames_that_were_asked_for(tmp_path: Path) -> None:
    video = video_at(write_video(tmp_path, "h264_mp4", frames=31, width=128, height=96))
    whole = decode_clip(clip_of(video, skeleton_frames=31), FrameRequest(5, 96, crop="whole"))
    assert (whole.reason, whole.notes, whole.frame_count) == ("", (), 31)
    assert whole.frames is not None
    # The middle 96 columns of 128. Compression is lossy, so each is compared with all candidates.
    by_hand = [image(number, 128, 96)[:, 16:112].astype(int) for number in range(31)]
    nearest = [int(np.argmin([np.abs(frame - each).mean() for each in by_hand])) for frame in whole.frames]
    assert nearest == [3, 9, 15, 21, 27]
    cut = decode_clip(clip_of(video, skeleton_frames=31, box=(0.0, 0.0, 0.75, 1.0)), FrameRequest(5, 96))
    assert cut.frames is not None
    assert [number_in(frame) for frame in cut.frames] == [3, 9, 15, 21, 27]


def test_the_images_of_a_folder_are_decoded(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), image(number, 96, 96)[..., ::-1])
    video = Video(tuple(video_at(path).sources[0] for path in paths), image_folder=True)
    decoded = decode_clip(clip_of(video, box=(0, 0, 1, 1), shape=(0, 0)), FrameRequest(3, 96))
    assert (decoded.reason, decoded.notes, decoded.frame_count) == ("", (), 6)
    assert decoded.frames is not None
    assert [number_in(frame) for frame in decoded.frames] == [1, 3, 5]


@pytest.mark.parametrize("content", [b"", b"RIFF, but no video", b"\0" * 4096])
def test_a_file_that_is_not_a_video_is_bad(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    decoded = decode_clip(clip_of(video_at(path)), FrameRequest(8, 16))
    assert decoded.frames is None
    assert str(path) in decoded.reason


def test_a_decoded_clip_can_be_pickled(fake: Callable[..., Fake]) -> None:
    fake()
    decoded = decode_clip(clip_of(), FrameRequest(2, 8))
    again: DecodedClip = pickle.loads(pickle.dumps(decoded))
    assert (again.clip, again.notes, again.frame_count) == (decoded.clip, decoded.notes, decoded.frame_count)
    assert np.array_equal(again.frames, decoded.frames)  # type: ignore[arg-type]


def test_the_real_pair_has_the_frames_of_an_independent_decoder() -> None:
    path = shared("data/ntu/nturgb+d_rgb/S001C001P001R001A001_rgb.avi")
    box = (0.51957786, 0.29207805, 0.57231146, 0.65667140)  # of the pixels in the skeleton file
    decoded = decode_clip(clip_of(video_at(path), skeleton_frames=103, box=box), FrameRequest(8, 224))
    assert (decoded.reason, decoded.notes, decoded.frame_count) == ("", (), 103)
    assert decoded.frames is not None
    reader, frames = cv2.VideoCapture(str(path)), []
    while (read := reader.read())[0]:
        cut = np.ascontiguousarray(read[1][255:769, 791:1305, ::-1])
        frames.append(cv2.resize(cut, (224, 224), interpolation=cv2.INTER_AREA).astype(int))
    assert len(frames) == 103
    for number, frame in zip((6, 19, 32, 45, 57, 70, 83, 96), decoded.frames, strict=True):
        # Not bit-identical: OpenCV rounds differently when it converts to RGB.
        apart = [np.abs(other - frame).mean() for other in frames]
        assert int(np.argmin(apart)) == number
        assert apart[number] < 2
