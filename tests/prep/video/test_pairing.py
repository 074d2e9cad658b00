"""Videos are paired with clips by name in every layout of every dataset; ambiguous ones are listed with the reason."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import info, write_clips

from prep.errors import PrepError
from prep.store.read import Store, open_store
from prep.untrusted.files import location
from prep.video.pairing import Pairs, pair
from prep.video.request import ClipVideo

NTU = ("S001C001P001R001A001", "S001C001P001R001A002", "S001C002P003R002A007")
UCLA = ("a01_s01_e00_v01", "a01_s01_e00_v02", "a12_s10_e04_v03")


def store_of(
    folder: Path,
    dataset: str,
    names: Sequence[str],
    own: bool = False,
    file_format: str = "tests",
    **columns: Sequence[float],
) -> Store:
    """A store of clips of one frame."""
    facts = info("demo" if own else dataset, dataset_name=dataset)
    clip = np.ones((1, 1, len(facts.layout.joints), facts.layout.coordinates), np.float32)
    columns = {"start": [0] * len(names), "stop": [40] * len(names), **columns}
    for side in ("left", "top", "right", "bottom"):
        columns.setdefault(side, [-1] * len(names))
    facts = replace(facts, file_format=file_format)
    return open_store(write_clips(folder / "s.zarr", facts, names, [0] * len(names), [clip] * len(names), **columns))


def put(folder: Path, *names: str) -> Path:
    """Empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def packed(path: Path, *names: str) -> Path:
    """A zip of empty files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


def paths(pairs: Pairs, folder: Path) -> dict[str, str]:
    """The path of each clip's video, or of its first image, below the folder."""
    return {clip.name: location(clip.video.sources[0]).replace(f"{folder}/", "") for clip in pairs.clips}


@pytest.mark.parametrize(
    ("dataset", "clip", "file"),
    [
        ("ntu120", "S001C001P001R001A001", "nturgb+d_rgb/S001C001P001R001A001_rgb.avi"),
        ("ntu60", "S001C001P001R001A001", "S001C001P001R001A001.mp4"),
        ("ntu60_2d", "S001C001P001R001A001", "S001C001P001R001A001_rgb.AVI"),
        ("ntu120_2d", "S032C003P106R002A120", "b/a/S032C003P106R002A120.mkv"),
        ("demo", "S001C001P001R001A001", "S001C001P001R001A001_rgb.avi"),
        ("kinetics", "-_S5scuxNlQ", "abseiling/-_S5scuxNlQ.mp4"),
        ("kinetics", "__U_scuxNlQ", "val/abseiling/__U_scuxNlQ_000012_000022.mp4"),
        ("kinetics", "abcdefgh_12", "abcdefgh_12.webm"),
        ("msr_pairs", "a01_s02_e03", "rgb/a01_s02_e03_rgb.avi"),
        ("msr_pairs", "a01_s02_e03", "a01_s02_e03.mp4"),
        ("nw_ucla", "a01_s02_e03_v01", "multiview_action_videos/a01/v01_s02_e03.avi"),
    ],
)
def test_a_video_finds_its_clip(tmp_path: Path, dataset: str, clip: str, file: str) -> None:
    store = store_of(tmp_path, dataset, [clip])
    folder = put(tmp_path / "videos", file, "notes/README.txt", "unmatched.avi")
    pairs = pair(store, folder)
    assert paths(pairs, folder) == {clip: file}
    (one,) = pairs.clips
    assert (one.clip, one.start, one.stop, one.skeleton_frames, one.box) == (0, -1, -1, 40, None)
    assert not one.video.image_folder
    assert (pairs.missing, pairs.bad, pairs.unused, pairs.unmatched) == ((), (), 0, 1)


@pytest.mark.parametrize(
    ("dataset", "clip", "files"),
    [
        (
            "nw_ucla",
            "a01_s02_e03_v02",
            [f"multiview_action/view_2/a01_s02_e03/frame_{n}_tc_{t}_rgb.jpg" for n, t in [(7, 90), (10, 95), (102, 8)]],
        ),
        ("msr_pairs", "a01_s02_e03", [f"a01_s02_e03/rgb{n}.png" for n in (2, 11, 100)]),
        ("msr_pairs", "a01_s02_e03", [f"RGB/a01_s02_e03_rgb/{n:04d}.jpg" for n in (2, 11, 100)]),
        ("mine", "a clip", [f"a clip/img_{n}.jpeg" for n in (2, 11, 100)]),
        ("mine", "run-7", [f"run/7/{n}_left.png" for n in (2, 11, 100)]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_the_images_of_a_folder_are_a_video_in_the_order_of_their_numbers(
    tmp_path: Path, dataset: str, clip: str, files: list[str], zipped: bool
) -> None:
    store = store_of(tmp_path, dataset, [clip], own=dataset == "mine")
    folder = tmp_path / "videos"
    others = ["depth/a01_s02_e03/1_depth.png", "multiview_action/view_2/a01_s02_e03/frame_7_tc_90_depth.png"]
    shuffled = [*files[1:], files[0], *(others if dataset != "mine" else [])]
    if zipped:
        packed(folder / "all.zip", *shuffled)
    else:
        put(folder, *shuffled)
    pairs = pair(store, folder)
    (one,) = pairs.clips
    assert one.video.image_folder
    assert [source.member or os.path.relpath(source.path, folder) for source in one.video.sources] == files
    assert (pairs.missing, pairs.bad, pairs.unused, pairs.unmatched) == ((), (), 0, 0)


@pytest.mark.parametrize("inside", ["", "m", "m/view_1", "m/view_1/a01_s01_e00"])
def test_the_folder_may_be_a_part_of_the_whole(tmp_path: Path, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path, "nw_ucla", UCLA)
    whole = put(tmp_path / "raw", *(f"m/view_1/a01_s01_e00/frame_{n}_tc_1_rgb.jpg" for n in (1, 2)))
    pairs = pair(store, whole / inside)
    assert [clip.name for clip in pairs.clips] == ["a01_s01_e00_v01"]
    assert pairs.missing == UCLA[1:]
    monkeypatch.chdir(whole / inside)
    assert [clip.name for clip in pair(store, Path(".")).clips] == ["a01_s01_e00_v01"]


def test_the_folder_of_one_action_is_enough_and_so_is_a_zip_of_a_view(tmp_path: Path) -> None:
    store = store_of(tmp_path, "nw_ucla", UCLA)
    put(tmp_path / "videos", "a01/v01_s01_e00.avi", "a01/v02_s01_e00.avi")
    assert [clip.name for clip in pair(store, tmp_path / "videos/a01").clips] == list(UCLA[:2])
    view = packed(tmp_path / "raw/view_3.zip", *(f"a12_s10_e04/frame_{n}_tc_1_rgb.jpg" for n in (1, 2)))
    for where in (view, view.parent):
        (one,) = pair(store, where).clips
        assert one.name == "a12_s10_e04_v03"
        assert [source.member for source in one.video.sources] == [
            "a12_s10_e04/frame_1_tc_1_rgb.jpg",
            "a12_s10_e04/frame_2_tc_1_rgb.jpg",
        ]


def test_names_of_parent_folders_exclude_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path, "msr_pairs", ["a01_s02_e03"])
    folder = put(tmp_path / "rgb and depth" / "videos", "rgb/a01_s02_e03/1.png", "Depth/a01_s02_e03/1.png")
    assert paths(pair(store, folder), folder) == {"a01_s02_e03": "rgb/a01_s02_e03/1.png"}


def test_two_videos_of_one_clip_are_bad_and_the_others_go_on(tmp_path: Path) -> None:
    store = store_of(tmp_path, "kinetics", ["aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"])
    cuts = [f"val/bbbbbbbbbbb_0000{n}_0000{n + 10}.mp4" for n in (12, 34, 56)]
    folder = put(tmp_path / "videos", "aaaaaaaaaaa_000001_000011.mp4", *cuts)
    pairs = pair(store, folder)
    assert [clip.name for clip in pairs.clips] == ["aaaaaaaaaaa"]
    reason = f"{folder}/{cuts[0]} and {folder}/{cuts[1]} and 1 more are videos of the same name. Move all but one away."
    assert pairs.bad == (("bbbbbbbbbbb", reason),)
    assert pairs.missing == ("ccccccccccc",)


def test_images_and_a_video_of_one_clip_are_two_videos(tmp_path: Path) -> None:
    store = store_of(tmp_path, "nw_ucla", UCLA)
    folder = put(tmp_path / "videos", "view_1/a01_s01_e00/frame_1_tc_1_rgb.jpg", "a01/v01_s01_e00.avi")
    packed(folder / "old.zip", "view_1/a01_s01_e00/frame_1_tc_1_rgb.jpg")
    ((name, reason),) = pair(store, folder).bad
    assert name == UCLA[0]
    assert f"{folder}/a01/v01_s01_e00.avi and {folder}/old.zip: view_1/a01_s01_e00 and 1 more are videos" in reason


def test_two_images_of_one_number_are_bad(tmp_path: Path) -> None:
    store = store_of(tmp_path, "nw_ucla", UCLA)
    frames = [f"view_1/a01_s01_e00/frame_{n}_rgb.jpg" for n in ("1_tc_1", "2_tc_5", "02_tc_6")]
    folder = put(tmp_path / "videos", *frames)
    ((name, reason),) = pair(store, folder).bad
    assert name == UCLA[0]
    assert reason == f"{folder}/{frames[2]} and {folder}/{frames[1]} are both frame 2. Move one of them away."


def test_missing_unused_and_unmatched_videos_are_counted(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    folder = put(
        tmp_path / "v", f"{NTU[1]}_rgb.avi", "S009C001P001R001A001_rgb.avi", f"{NTU[0]}_ir.avi", "x.mp4", "y.jpg"
    )
    pairs = pair(store, folder)
    assert [(clip.clip, clip.name) for clip in pairs.clips] == [(1, NTU[1])]
    assert pairs.missing == (NTU[0], NTU[2])
    assert (pairs.unused, pairs.unmatched) == (1, 2)


def test_clips_come_in_the_order_of_the_store_whatever_the_folders(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    pairs = pair(store, put(tmp_path / "v", f"a/{NTU[2]}.avi", f"b/{NTU[1]}.avi", f"c/{NTU[0]}.avi"))
    assert [clip.name for clip in pairs.clips] == list(NTU)


def test_a_segment_knows_its_frames_of_the_whole_video(tmp_path: Path) -> None:
    names = ["0002-L_001", "0002-L_002", "0002-M_001", "0003-R_010"]
    store = store_of(tmp_path, "pku_mmd", names, start=[10, 50, 10, 7], stop=[40, 90, 44, 8])
    pairs = pair(store, put(tmp_path / "RGB_VIDEO", "0002-L.avi", "0002-M.avi", "0009-L.avi"))
    assert [(clip.name, clip.start, clip.stop) for clip in pairs.clips] == [
        ("0002-L_001", 10, 40),
        ("0002-L_002", 50, 90),
        ("0002-M_001", 10, 44),
    ]
    assert pairs.clips[0].video == pairs.clips[1].video != pairs.clips[2].video
    assert (pairs.missing, pairs.unused) == (("0003-R_010",), 1)


def test_all_segments_of_a_doubtful_video_are_bad(tmp_path: Path) -> None:
    store = store_of(tmp_path, "pku_mmd_2", ["A01N02-L_001", "A01N02-L_002", "A01N02-R_001"])
    pairs = pair(store, put(tmp_path / "v", "A01N02-L.avi", "A01N02-L.mp4", "A01N02-R.avi"))
    assert [clip.name for clip in pairs.clips] == ["A01N02-R_001"]
    assert [name for name, _ in pairs.bad] == ["A01N02-L_001", "A01N02-L_002"]


def test_a_segment_whose_frames_were_lost_is_bad(tmp_path: Path) -> None:
    store = store_of(tmp_path, "pku_mmd", ["0002-L_001"], file_format="mamp_npz", start=[-1], stop=[-1])
    folder = put(tmp_path / "v", "0002-L.avi")
    reason = f"{folder}/0002-L.avi: the format `mamp_npz` does not say which frames of the video 0002-L_001 is. "
    pairs = pair(store, folder)
    assert pairs.bad == (("0002-L_001", reason + "Build the store from the raw files."),)
    assert (pairs.clips, pairs.missing) == ((), ())


def test_boxes_counts_and_shapes_come_from_the_store_and_the_facts(tmp_path: Path) -> None:
    box = {"left": [0.25, -1, 0.5], "top": [0.5, -1, 0.5], "right": [0.75, -1, 0.5], "bottom": [1, -1, 0.75]}
    store = store_of(tmp_path, "ntu120", NTU, start=[0, -1, 0], stop=[103, -1, 9], **box)
    clips = pair(store, put(tmp_path / "v", *(f"{name}_rgb.avi" for name in NTU))).clips
    # The third box has no width.
    assert [clip.box for clip in clips] == [(0.25, 0.5, 0.75, 1.0), None, None]
    assert [clip.skeleton_frames for clip in clips] == [103, -1, 9]
    assert all(clip.synchronised and clip.shape == (16, 9) for clip in clips)
    assert all(type(side) is float for side in clips[0].box or ())


@pytest.mark.parametrize(
    ("dataset", "clip", "file", "synchronised", "shape"),
    [
        ("kinetics", "aaaaaaaaaaa", "aaaaaaaaaaa.mp4", False, (0, 0)),
        ("nw_ucla", "a01_s01_e00_v01", "a01/v01_s01_e00.avi", False, (0, 0)),
        ("msr_pairs", "a01_s01_e00", "a01_s01_e00.avi", False, (0, 0)),
        ("pku_mmd", "0002-L_001", "0002-L.avi", True, (16, 9)),
        ("demo", "S001C001P001R001A001", "S001C001P001R001A001.avi", True, (16, 9)),
    ],
)
def test_which_videos_are_synchronised(
    tmp_path: Path, dataset: str, clip: str, file: str, synchronised: bool, shape: tuple[int, int]
) -> None:
    (one,) = pair(store_of(tmp_path, dataset, [clip]), put(tmp_path / "v", file)).clips
    assert (one.synchronised, one.shape) == (synchronised, shape)


def test_videos_of_custom_datasets_have_the_names_of_the_clips(tmp_path: Path) -> None:
    names = ["jump-01", "odd_rgb", "run-01", "walk 1", "x.y"]
    store = store_of(tmp_path, "mine", names, own=True)
    folder = put(
        tmp_path / "v", "jump/01.mp4", "odd_rgb.mov", "run/01_rgb.avi", "deep/walk 1_rgb.avi", "x.y.mkv", "z.mp4"
    )
    pairs = pair(store, folder)
    assert paths(pairs, folder) == {
        "jump-01": "jump/01.mp4",
        "odd_rgb": "odd_rgb.mov",
        "run-01": "run/01_rgb.avi",
        "walk 1": "deep/walk 1_rgb.avi",
        "x.y": "x.y.mkv",
    }
    assert (pairs.unused, pairs.unmatched) == (1, 0)
    assert all(clip.synchronised and clip.shape == (0, 0) for clip in pairs.clips)


def test_a_link_that_leads_back_up_is_walked_once(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    folder = put(tmp_path / "v", f"a/{NTU[0]}_rgb.avi")
    (folder / "a/up").symlink_to(folder)
    pairs = pair(store, folder)
    assert len(pairs.clips) == 1
    assert not pairs.bad


def test_a_broken_link_to_a_video_stops_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    folder = put(tmp_path / "v", f"{NTU[0]}_rgb.avi")
    (folder / f"{NTU[1]}_rgb.avi").symlink_to(tmp_path / "not fetched")
    assert [clip.name for clip in pair(store, folder).clips] == list(NTU[:2])


def test_a_long_name_in_a_hostile_zip_does_not_hang(tmp_path: Path) -> None:
    store = store_of(tmp_path, "mine", ["clip"], own=True)
    folder = put(tmp_path / "v", "clip.mp4")
    packed(
        folder / "evil.zip", "a/" + "1a" * 30_000 + "!.jpg", "../../clip_rgb/x.mp4", "/etc/" + "b/" * 20_000 + "9.png"
    )
    pairs = pair(store, folder)
    assert paths(pairs, folder) == {"clip": "clip.mp4"}
    assert pairs.unused == 1


def test_a_folder_without_videos_is_refused_with_its_content(tmp_path: Path) -> None:
    store = store_of(tmp_path, "nw_ucla", UCLA)
    folder = put(tmp_path / "v", "a.json", "b.json", "sub/c.AVI", "README")
    with pytest.raises(PrepError) as caught:
        pair(store, folder)
    assert str(caught.value) == (
        f"{folder}: holds no video of Northwestern-UCLA Multiview Action 3D, as aAA/vVV_sSS_eEE.avi; "
        "view_V/aAA_sSS_eEE/frame_N_tc_TIME_rgb.jpg. It holds 2 .json, 1 without a suffix, 1 .avi. "
        "Name the folder of the videos."
    )


def test_an_empty_folder_a_missing_one_and_no_folder(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrepError, match="It holds nothing. Name the folder of the videos."):
        pair(store, tmp_path / "empty")
    with pytest.raises(PrepError, match="gone: there is no such folder or zip."):
        pair(store, tmp_path / "gone")
    put(tmp_path, "one.avi")
    with pytest.raises(PrepError, match="one.avi: is not a readable zip"):
        pair(store, tmp_path / "one.avi")


def test_videos_of_other_clips_only_are_an_error_that_shows_both(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    folder = put(tmp_path / "v", "S009C001P001R001A002_rgb.avi", "S009C001P001R001A001_rgb.avi")
    with pytest.raises(PrepError) as caught:
        pair(store, folder)
    assert str(caught.value) == (
        f"{folder}: 2 videos, {folder}/S009C001P001R001A001_rgb.avi for example, belong to no clip of {store.path}. "
        f"Its clips have names like {NTU[0]}. Name the folder of their videos."
    )


def test_a_pair_survives_the_way_to_a_worker(tmp_path: Path) -> None:
    import pickle

    (one,) = pair(store_of(tmp_path, "ntu120", NTU[:1]), put(tmp_path / "v", f"{NTU[0]}.avi")).clips
    again: ClipVideo = pickle.loads(pickle.dumps(one))
    assert again == one


def test_a_zip_that_cannot_be_read_and_upper_case_endings(tmp_path: Path) -> None:
    store = store_of(tmp_path, "ntu120", NTU)
    put(tmp_path / "v", f"{NTU[0]}_rgb.AVI")
    packed(tmp_path / "v" / "MORE.ZIP", f"{NTU[1]}_rgb.avi")
    (tmp_path / "v" / "half.zip").write_bytes(b"PK")
    pairs = pair(store, tmp_path / "v")
    assert [clip.name for clip in pairs.clips] == list(NTU[:2])
    ((name, reason),) = pairs.bad
    assert (name, "half.zip: is not a readable zip" in reason) == ("half.zip", True)
