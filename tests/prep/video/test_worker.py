"""A worker's answer for one clip: its frames, its square, or the reason why there is none, and what was odd."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.shared import shared
from helpers.synthetic_video import invent, number_in, picture

import prep.video.worker as subject
from prep.clip import Source
from prep.errors import BadFile, PrepError
from prep.video.decoders._decoder import Look, Window
from prep.video.request import Answer, BadVideo, ClipVideo, Video, Wanted
from prep.video.worker import NO_BOX, UNSTEADY, answer

WIDTH, HEIGHT = 160, 90
BOX = (0.375, 0.25, 0.625, 0.75)  # 40 x 45 pixels of 160 x 90
VIDEO = Video((Source("v", "videos/v.avi", "", 1, "1-1"),))


def clip_of(
    video: Video = VIDEO,
    frames: tuple[int, int] = (-1, -1),
    recorded: int = -1,
    box: tuple[float, float, float, float] | None = BOX,
    together: bool = True,
    shape: tuple[int, int] = (16, 9),
) -> ClipVideo:
    return ClipVideo(3, "clip_001", video, *frames, recorded, box, together, shape)


def video_at(path: Path) -> Video:
    return Video((Source(path.stem, str(path), "", path.stat().st_size, f"{path.stat().st_size}-1"),))


class Fake:
    """A decoder whose frame n is of the one grey n, and that remembers what it was asked for."""

    def __init__(self, seen: Look) -> None:
        self.seen, self.asked = seen, list[tuple[tuple[int, ...], Window | None, str]]()

    def look(self, video: Video) -> Look:
        return self.seen

    def frames(
        self, video: Video, look: Look, numbers: Sequence[int], window: Window | None, name: str
    ) -> list[np.ndarray]:
        self.asked.append((tuple(numbers), window, name))
        left, top, right, bottom = window or (0, 0, look.width, look.height)
        return [np.full((bottom - top, right - left, 3), number, np.uint8) for number in numbers]


def decoded_by(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> Fake:
    monkeypatch.setattr(subject, "look", fake.look)
    monkeypatch.setattr(subject, "frames", fake.frames)
    return fake


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fake]:
    def make(frames: int = 103, width: int = WIDTH, height: int = HEIGHT, steady: bool = True) -> Fake:
        return decoded_by(monkeypatch, Fake(Look(frames, width, height, "h264", 1, steady)))

    return make


def test_a_trimmed_video_is_sampled_over_its_own_frames_and_cut_to_its_square(fake: Callable[..., Fake]) -> None:
    asked = fake().asked
    given = answer(clip_of(recorded=103), Wanted(8, 16, decoder="decord"))
    # 40 x 45 pixels about (80, 45); the square is 59 = ceil(1.3 x 46), since the box touches 46 rows.
    assert asked == [((6, 19, 32, 45, 57, 70, 83, 96), (50, 15, 110, 75), "decord")]
    assert given.pictures is not None
    assert given.pictures.shape == (8, 16, 16, 3)
    assert given.pictures.dtype == np.uint8
    assert given.pictures[:, 5, 5, 0].tolist() == [6, 19, 32, 45, 57, 70, 83, 96]
    assert (given.clip, given.reason, given.notes, given.counted) == (3, "", (), 103)


def test_a_segment_is_sampled_over_its_frames(fake: Callable[..., Fake]) -> None:
    asked = fake(frames=40).asked
    given = answer(clip_of(frames=(10, 40), recorded=30), Wanted(3, 16))
    assert asked[0][0] == (15, 25, 35)
    assert (given.counted, given.notes) == (40, ())


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((10, 41), "clip_001 is frames 10 to 40, and there are 40. Fetch it again, or look whether it is the video"),
        ((10, 10), "clip_001 is frames 10 : 10, which is none. Correct the labels."),
    ],
)
def test_a_segment_that_is_not_there_is_bad(fake: Callable[..., Fake], frames: tuple[int, int], words: str) -> None:
    asked = fake(frames=40).asked
    given = answer(clip_of(frames=frames), Wanted(8, 16))
    assert given.pictures is None
    assert given.reason.startswith(f"videos/v.avi: {words}")
    assert (given.counted, given.notes, asked) == (40, (), [])


def test_another_count_than_the_skeletons_is_a_note(fake: Callable[..., Fake]) -> None:
    fake(frames=60)
    wanted = Wanted(8, 16)
    given = answer(clip_of(recorded=103), wanted)
    assert given.notes == ("the video has 60 frames, the skeleton 103",)
    assert given.pictures is not None
    # Not where the two do not belong together, nor where the skeleton's is unknown, nor in an untrimmed video.
    assert answer(clip_of(recorded=103, together=False), wanted).notes == ()
    assert answer(clip_of(recorded=-1), wanted).notes == ()
    assert answer(clip_of(recorded=30, frames=(0, 30)), wanted).notes == ()


def test_without_a_box_the_whole_frame_is_shown_and_said(fake: Callable[..., Fake]) -> None:
    asked = fake().asked
    assert answer(clip_of(box=None), Wanted(1, 16)).notes == (NO_BOX,)
    assert answer(clip_of(box=None), Wanted(1, 16, crop="whole")).notes == ()
    assert answer(clip_of(), Wanted(1, 16, crop="whole")).notes == ()
    assert [window for _, window, _ in asked] == [(35, 0, 125, 90)] * 3


def test_a_square_that_sticks_out_is_decoded_as_far_as_there_is_a_picture(fake: Callable[..., Fake]) -> None:
    asked = fake(frames=10).asked
    given = answer(clip_of(box=(0.125, 0.25, 0.875, 0.75)), Wanted(1, 40))
    assert asked[0][1] == (20, 0, 140, 90)
    assert given.pictures is not None
    assert not given.pictures[0, :4].any()
    assert (given.pictures[0, 6:34] == 5).all()
    assert not given.pictures[0, 36:].any()


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
def test_a_picture_of_another_shape_is_a_note(
    fake: Callable[..., Fake], size: tuple[int, int], shape: tuple[int, int], odd: bool
) -> None:
    fake(width=size[0], height=size[1])
    what = f"the picture is {size[0]} x {size[1]}, the joints are known in one of {shape[0]} : {shape[1]}"
    assert answer(clip_of(shape=shape), Wanted(1, 8)).notes == ((what,) if odd else ())
    assert answer(clip_of(shape=shape), Wanted(1, 8, crop="whole")).notes == ()


def test_frames_of_unequal_length_are_a_note_beside_the_others(fake: Callable[..., Fake]) -> None:
    fake(steady=False)
    given = answer(clip_of(recorded=5, box=None), Wanted(1, 8))
    assert given.notes == ("the video has 103 frames, the skeleton 5", UNSTEADY, NO_BOX)


@pytest.mark.parametrize(("frames", "width", "height"), [(0, 160, 90), (5, 0, 90), (5, 160, 0), (-1, 160, 90)])
def test_a_video_of_nothing_is_bad(fake: Callable[..., Fake], frames: int, width: int, height: int) -> None:
    fake(frames=frames, width=width, height=height)
    given = answer(clip_of(), Wanted(8, 16))
    assert given.reason == f"videos/v.avi: {frames} frames of {width} x {height} pixels. Fetch it again."
    assert given.pictures is None


def test_a_folder_of_pictures_is_named_by_its_first(fake: Callable[..., Fake]) -> None:
    fake(frames=0)
    given = answer(clip_of(Video(VIDEO.sources * 2, pictures=True)), Wanted(8, 16))
    assert given.reason.startswith("videos/v.avi and the pictures beside it: 0 frames of 160 x 90 pixels.")


def test_a_frame_of_another_size_than_announced_is_bad(
    fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake()
    monkeypatch.setattr(subject, "frames", lambda *_: [np.zeros((40, 60, 3), np.uint8)])
    given = answer(clip_of(), Wanted(1, 16))
    assert given.reason == "videos/v.avi: a frame is not of 160 x 90 pixels, as its first lines say. Fetch it again."
    assert (given.pictures, given.counted) == (None, 103)


@pytest.mark.parametrize("error", [BadVideo("v.avi: is no video."), BadFile("v.avi: is gone.")])
@pytest.mark.parametrize("step", ["look", "frames"])
def test_what_is_wrong_with_a_video_is_an_answer(
    fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch, error: PrepError, step: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    fake()
    monkeypatch.setattr(subject, step, fails)
    assert answer(clip_of(), Wanted(8, 16)) == Answer(3, None, str(error), (), -1 if step == "look" else 103)


def test_what_is_wrong_with_the_machine_is_not(fake: Callable[..., Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise PrepError("decord is not installed.")

    fake()
    monkeypatch.setattr(subject, "frames", fails)
    with pytest.raises(PrepError, match="decord is not installed."):
        answer(clip_of(), Wanted(8, 16))


def test_a_real_decoder_gives_the_frames_that_were_asked_for(tmp_path: Path) -> None:
    video = video_at(invent(tmp_path, "h264_mp4", frames=31, width=128, height=96))
    whole = answer(clip_of(video, recorded=31), Wanted(5, 96, crop="whole"))
    assert (whole.reason, whole.notes, whole.counted) == ("", (), 31)
    assert whole.pictures is not None
    # The middle 96 columns of 128. The coder takes colours away, so each is compared with all that it could be.
    by_hand = [picture(number, 128, 96)[:, 16:112].astype(int) for number in range(31)]
    nearest = [int(np.argmin([np.abs(shown - each).mean() for each in by_hand])) for shown in whole.pictures]
    assert nearest == [3, 9, 15, 21, 27]
    cut = answer(clip_of(video, recorded=31, box=(0.0, 0.0, 0.75, 1.0)), Wanted(5, 96))
    assert cut.pictures is not None
    assert [number_in(shown) for shown in cut.pictures] == [3, 9, 15, 21, 27]


def test_pictures_of_a_folder_are_shown(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), picture(number, 96, 96)[..., ::-1])
    video = Video(tuple(video_at(path).sources[0] for path in paths), pictures=True)
    given = answer(clip_of(video, box=(0, 0, 1, 1), shape=(0, 0)), Wanted(3, 96))
    assert (given.reason, given.notes, given.counted) == ("", (), 6)
    assert given.pictures is not None
    assert [number_in(shown) for shown in given.pictures] == [1, 3, 5]


@pytest.mark.parametrize("content", [b"", b"RIFF, but no video", b"\0" * 4096])
def test_a_file_that_is_no_video_is_an_answer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    given = answer(clip_of(video_at(path)), Wanted(8, 16))
    assert given.pictures is None
    assert str(path) in given.reason


def test_an_answer_survives_the_way_from_a_worker(fake: Callable[..., Fake]) -> None:
    fake()
    given = answer(clip_of(), Wanted(2, 8))
    again: Answer = pickle.loads(pickle.dumps(given))
    assert (again.clip, again.notes, again.counted) == (given.clip, given.notes, given.counted)
    assert np.array_equal(again.pictures, given.pictures)  # type: ignore[arg-type]


def test_the_real_pair_shows_the_frames_of_an_independent_decoder() -> None:
    path = shared("data/ntu/nturgb+d_rgb/S001C001P001R001A001_rgb.avi")
    box = (0.51957786, 0.29207805, 0.57231146, 0.65667140)  # of the pixels in the skeleton file
    given = answer(clip_of(video_at(path), recorded=103, box=box), Wanted(8, 224))
    assert (given.reason, given.notes, given.counted) == ("", (), 103)
    assert given.pictures is not None
    reader, frames = cv2.VideoCapture(str(path)), []
    while (read := reader.read())[0]:
        cut = np.ascontiguousarray(read[1][255:769, 791:1305, ::-1])
        frames.append(cv2.resize(cut, (224, 224), interpolation=cv2.INTER_AREA).astype(int))
    assert len(frames) == 103
    for number, shown in zip((6, 19, 32, 45, 57, 70, 83, 96), given.pictures, strict=True):
        # Not to the bit: OpenCV turns the video's colours into red, green and blue with other roundings.
        apart = [np.abs(frame - shown).mean() for frame in frames]
        assert int(np.argmin(apart)) == number
        assert apart[number] < 2
