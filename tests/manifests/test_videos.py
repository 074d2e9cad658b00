"""How videos are named: every data set says it, and what cannot be is refused in words."""

from __future__ import annotations

import re

import pytest

from manifests.dataset import ANY_VIDEO, Dataset, VideoLayout
from manifests.facts import dataset, names
from manifests.strict import InvalidValue, build

# What each data set's videos are called, and the recording that they belong to.
CALLED = {
    "demo": [("S001C001P001R001A001_rgb.avi", "S001C001P001R001A001")],
    "kinetics": [
        ("abseiling/_-gEFt1V5nk_000012_000022.mp4", "_-gEFt1V5nk"),
        ("-gEFt1V5nk_.mkv", "-gEFt1V5nk_"),
    ],
    "msr_pairs": [("a12_s10_e03_rgb.avi", "a12_s10_e03"), ("RGB/a12_s10_e03/0001.jpg", "a12_s10_e03")],
    "ntu120": [("nturgb+d_rgb/S032C003P106R002A120_rgb.avi", "S032C003P106R002A120")],
    "ntu120_2d": [("S032C003P106R002A120_rgb.avi", "S032C003P106R002A120")],
    "ntu60": [("S001C001P001R001A060.mp4", "S001C001P001R001A060")],
    "ntu60_2d": [("S001C001P001R001A060_rgb.avi", "S001C001P001R001A060")],
    "nw_ucla": [
        ("multiview_action_videos/a12/v03_s10_e04.avi", "a12_s10_e04_v03"),
        ("multiview_action/view_3/a12_s10_e04/frame_17_tc_31536000_rgb.jpg", "a12_s10_e04_v03"),
    ],
    "pku_mmd": [("RGB_VIDEO/0002-L.avi", "0002-L")],
    "pku_mmd_2": [("A01N02-R.avi", "A01N02-R")],
}
STRANGE = [
    "S001C001P001R001A001_depth.avi",
    "S001C001P001R001A001.skeleton",
    "abseiling/too_long_an_id_000012_000022.mp4",
    "Depth/a12_s10_e03/0001.png",
    "a12_s10_e03/frame_1_depth.png",
    "view_3/a12_s10_e04/frame_17_tc_31536000_depth.png",
    "view_3/a12_s10_e04/fileList.txt",
    "0002-L.txt",
]


def recordings(data: Dataset, path: str) -> list[str]:
    found = [(layout, re.fullmatch(layout.pattern, path)) for layout in data.videos]
    return [layout.name.format(**match.groupdict()) for layout, match in found if match]


@pytest.mark.parametrize("name", names("datasets"))
def test_every_data_set_knows_its_videos_by_their_names(name: str) -> None:
    data = dataset(name)
    assert [recordings(data, path) for path, _ in CALLED[name]] == [[recording] for _, recording in CALLED[name]]
    assert not [path for path in STRANGE if recordings(data, path)]
    # A clip is called like its recording, or has a number behind that.
    for _, recording in CALLED[name]:
        assert re.fullmatch(data.pattern, f"{recording}_001" if data.untrimmed else recording)


@pytest.mark.parametrize("name", names("datasets"))
def test_layouts_say_the_same_to_a_person(name: str) -> None:
    data = dataset(name)
    for layout in data.videos:
        assert layout.pictures == layout.words.endswith(".jpg")
    # Where joints are known in pixels of the Kinect v2's colour picture, its shape is known too.
    pixels = data.picture == "kinect_v2" or (data.picture == "file" and data.layout == "ntu25")
    assert {layout.shape for layout in data.videos} == {(16, 9) if pixels else (0, 0)}


def test_ones_own_videos_are_called_like_the_clip_or_lie_in_the_folder_of_its_class() -> None:
    def fits(path: str) -> list[str]:
        found = [(layout, re.fullmatch(layout.pattern, path)) for layout in ANY_VIDEO]
        return [layout.name.format(**match.groupdict()) for layout, match in found if match]

    assert fits("clip_rgb.avi") == ["clip", "clip_rgb"]
    assert fits("run/7.mp4") == ["7", "7", "run-7"]
    assert fits("run/7/frame 12.png") == ["7", "run-7"]
    assert fits("run/7.txt") == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"words": "x"}, "here: pattern: Field required"),
        ({"pattern": "(?P<name>.+)", "words": ""}, "words is empty; write what a file of `(?P<name>.+)` is called"),
        ({"pattern": "(", "words": "x"}, "pattern `(` is not a regular expression"),
        ({"pattern": ".+", "words": "x"}, "pattern `.+` has no group (?P<name>...), which `name` needs"),
        ({"pattern": "(?P<name>.+)", "words": "x", "pictures": True}, "has no group (?P<frame>...)"),
        ({"pattern": "(?P<name>.+)", "words": "x", "shape": [16, 0]}, "shape is (16, 0); it must be two numbers above"),
        ({"pattern": "(?P<name>.+)", "words": "x", "shapes": [16, 9]}, "`shapes` is not a key of VideoLayout. Did you"),
    ],
)
def test_a_slip_in_a_layout_is_named(value: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        build(VideoLayout, value, "here")
    assert words in str(caught.value)
