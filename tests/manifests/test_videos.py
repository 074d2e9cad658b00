"""File names of videos: each dataset finds its own, and an invalid layout is refused."""

from __future__ import annotations

import re

import pytest

from manifests.dataset import ANY_VIDEO, Dataset, VideoLayout
from manifests.facts import dataset, names
from manifests.strict import InvalidValue, build

# File names of each dataset's videos, and the recordings that they belong to.
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
UNMATCHED = [
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
    matches = [(layout, re.fullmatch(layout.pattern, path)) for layout in data.videos]
    return [layout.name.format(**match.groupdict()) for layout, match in matches if match]


@pytest.mark.parametrize("name", names("datasets"))
def test_every_dataset_finds_its_videos_by_their_names(name: str) -> None:
    data = dataset(name)
    assert [recordings(data, path) for path, _ in CALLED[name]] == [[recording] for _, recording in CALLED[name]]
    assert not [path for path in UNMATCHED if recordings(data, path)]
    # A clip has the name of its recording, with a number added if the recording holds several.
    for _, recording in CALLED[name]:
        assert re.fullmatch(data.pattern, f"{recording}_001" if data.untrimmed else recording)


@pytest.mark.parametrize("name", names("datasets"))
def test_descriptions_agree_with_the_patterns(name: str) -> None:
    data = dataset(name)
    for layout in data.videos:
        assert layout.images == layout.description.endswith(".jpg")
    # Where the joints' pixels in the Kinect v2's colour image are known, so is the shape of the image.
    pixels = data.image_joints == "kinect_v2" or (data.image_joints == "file" and data.layout == "ntu25")
    assert {layout.shape for layout in data.videos} == {(16, 9) if pixels else (0, 0)}


def test_videos_of_custom_datasets_have_the_clips_name_or_are_in_the_folder_of_its_class() -> None:
    def fits(path: str) -> list[str]:
        matches = [(layout, re.fullmatch(layout.pattern, path)) for layout in ANY_VIDEO]
        return [layout.name.format(**match.groupdict()) for layout, match in matches if match]

    assert fits("clip_rgb.avi") == ["clip", "clip_rgb"]
    assert fits("run/7.mp4") == ["7", "7", "run-7"]
    assert fits("run/7/frame 12.png") == ["7", "run-7"]
    assert fits("run/7.txt") == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"description": "x"}, "here: pattern: Field required"),
        (
            {"pattern": "(?P<name>.+)", "description": ""},
            "description is empty; write what a file of `(?P<name>.+)` is called",
        ),
        ({"pattern": "(", "description": "x"}, "pattern `(` is not a regular expression"),
        ({"pattern": ".+", "description": "x"}, "pattern `.+` has no group (?P<name>...), which `name` needs"),
        ({"pattern": "(?P<name>.+)", "description": "x", "images": True}, "has no group (?P<frame>...)"),
        (
            {"pattern": "(?P<name>.+)", "description": "x", "shape": [16, 0]},
            "shape is (16, 0); it must be two numbers above",
        ),
        (
            {"pattern": "(?P<name>.+)", "description": "x", "shapes": [16, 9]},
            "`shapes` is not a key of VideoLayout. Did you",
        ),
    ],
)
def test_a_mistake_in_a_layout_is_named(value: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        build(VideoLayout, value, "here")
    assert words in str(caught.value)
