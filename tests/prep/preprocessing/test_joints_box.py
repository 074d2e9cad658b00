"""The joints' box in the video: from files, from 2D joints, and by projection with a Kinect camera model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.built import built
from helpers.plain_ntu import plain_read
from helpers.real_ntu import real_files
from helpers.synthetic_formats import clips, imported, npy_pkl
from helpers.synthetic_kinect import msr_text, people
from helpers.synthetic_ntu import person, text
from helpers.synthetic_pku import label_text, recording, skeleton_text, write

from manifests.facts import dataset
from prep.clip import Recording
from prep.preprocessing.joints_box import UNKNOWN, joints_box, kinect_v2, sides_of

NTU, KINETICS, PKU = dataset("ntu60"), dataset("kinetics"), dataset("pku_mmd")


def seen(joints: np.ndarray, picture: np.ndarray | None = None) -> Recording:
    """One detection a frame."""
    rows = len(joints)
    frames, ids = np.ones(rows, np.int64), np.zeros(rows, np.int64)
    return Recording("a", 0, frames, ids, joints.astype(np.float32), picture=picture)


def in_file(*sides: tuple[float, float, float, float]) -> Recording:
    return seen(np.ones((len(sides), 25, 3)), np.array(sides, np.float32).reshape(-1, 4))


def box(one: Recording, data: object = NTU) -> tuple[float, ...]:
    return tuple(round(side, 6) for side in joints_box(one, data))  # type: ignore[arg-type]


def test_the_box_unites_all_bodies_of_all_frames() -> None:
    assert box(in_file((0.25, 0.5, 0.5, 0.75), (0.375, 0.125, 0.625, 0.5))) == (0.25, 0.125, 0.625, 0.75)


def test_the_box_is_cut_off_at_the_edges() -> None:
    assert box(in_file((-0.5, 0.25, 0.5, 1.5))) == (0, 0.25, 0.5, 1)


@pytest.mark.parametrize(
    "sides",
    [(np.nan,) * 4, (-1, 0, 0, 1), (1, 0, 2, 1), (0, -1, 1, 0), (0, 1, 1, 2), (0, 0, np.inf, 1)],
    ids=["nowhere", "left", "right", "above", "below", "endless"],
)
def test_a_body_beside_the_picture_does_not_count(sides: tuple[float, float, float, float]) -> None:
    assert joints_box(in_file(sides), NTU) == UNKNOWN
    assert box(in_file(sides, (0.25, 0.25, 0.5, 0.5))) == (0.25, 0.25, 0.5, 0.5)


def test_nothing_is_known_without_bodies_or_a_picture() -> None:
    assert joints_box(in_file(), NTU) == UNKNOWN
    assert joints_box(seen(np.ones((1, 25, 3))), NTU) == UNKNOWN
    for data in (KINETICS, PKU):
        assert joints_box(seen(np.ones((0, 18, 3))), data) == UNKNOWN
    nowhere = in_file((0.25, 0.25, 0.5, 0.5))
    assert joints_box(nowhere, dataset("nw_ucla")) == UNKNOWN


def test_sides_without_any_place_are_nan() -> None:
    points = np.array([[[1, 2], [np.nan, 9]], [[1, 2], [3, 4]]], np.float32)
    found = sides_of(points, np.array([[True, True], [False, False]]))
    np.testing.assert_array_equal(found, np.array([[1, 2, 1, 2], [np.nan] * 4], np.float32))


def test_joints_that_are_the_picture_count_where_they_were_found() -> None:
    pose = np.full((2, 18, 3), (0.5, 0.5, 0.9))
    pose[0, 3], pose[1, 4] = (0.25, 0.375, 0.1), (0.75, 1.02, 0.2)
    pose[0, 5], pose[1, 6] = (0, 0, 0), (0.9, 0.9, 0)
    assert box(seen(pose), KINETICS) == (0.25, 0.375, 0.75, 1)
    pose[..., 2] = 0
    assert joints_box(seen(pose), KINETICS) == UNKNOWN


def test_metres_are_projected_and_those_behind_the_camera_left_out() -> None:
    joints = np.full((1, 25, 3), (0.0, 0.0, 2.0))
    joints[0, 1], joints[0, 2] = (0.4, 0.3, 2.0), (-0.4, -0.3, 2.0)
    joints[0, 3], joints[0, 4] = (9, 9, 0), (1, 1, -1)
    across, down = 955 + 1059 * 0.062 / 2, 553
    wanted = ((across - 211.8) / 1920, (down - 158.85) / 1080, (across + 211.8) / 1920, (down + 158.85) / 1080)
    assert box(seen(joints), PKU) == pytest.approx(wanted, abs=1e-5)
    joints[..., 2] = 0
    assert joints_box(seen(joints), PKU) == UNKNOWN


def test_the_projection_is_right_on_real_files_to_a_fiftieth_of_the_picture() -> None:
    errors, own = [], []
    for _, data in real_files():
        rows = [line.split() for line in data.decode().splitlines() if len(line.split()) == 12]
        numbers = np.array(rows, np.float64)
        metres, pixels = numbers[:, :3], numbers[:, 5:7]
        gap = kinect_v2(metres.astype(np.float32)) * (1920, 1080) - pixels
        errors.append(np.hypot(*gap.T))
        own.append(_pinhole(metres, pixels))
    assert len(errors) >= 7
    assert max(error.max() for error in errors) < 18
    assert max(error.mean() for error in errors) < 16
    # What the docstring says: one device is a pinhole, two are not the same.
    assert max(error for _, error in own) < 1.2
    assert all(1055 < focal < 1063 for focal, _ in own)


def _pinhole(metres: np.ndarray, pixels: np.ndarray) -> tuple[float, float]:
    """Focal length and largest error of the pinhole, moved aside, that fits best."""
    (x, y, z), one, none = metres.T, np.ones(len(metres)), np.zeros(len(metres))
    across, down = (x / z, 1 / z, one, none, none), (-y / z, none, none, 1 / z, one)
    matrix = np.concatenate([np.stack(across, 1), np.stack(down, 1)])
    wanted = pixels.T.reshape(-1)
    found = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    return found[0], float(np.hypot(*(matrix @ found - wanted).reshape(2, -1)).max())


def test_ntu_files_bring_their_box_and_their_frames_into_the_store(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    near, far = person(1, 20), person(2, 20)
    frames = [[(1, near[n])] if n % 2 else [] for n in range(9)] + [[(1, near[n]), (2, far[n])] for n in range(9, 20)]
    name = "S001C002P003R002A007"
    (tmp_path / "raw" / f"{name}.skeleton").write_bytes(text(frames))
    boxes = np.array([box for bodies in plain_read(text(frames)) for _, _, box in bodies])
    wanted = [*boxes[:, :2].min(0).clip(0, 1), *boxes[:, 2:].max(0).clip(0, 1)]
    for preprocessing, kept in (("raw", 20), ("ctrgcn", 15)):  # the latter drops frames that show nobody
        store = built("ntu60", tmp_path / "raw", preprocessing=preprocessing)
        assert (store.names, store.frames) == ((name,), kept)
        assert (store.start.tolist(), store.stop.tolist()) == ([0], [20])
        np.testing.assert_allclose(store.box, [wanted], atol=1e-6)
        assert store.box.dtype == np.float32


def test_a_cut_of_an_untrimmed_recording_has_its_own_frames_and_box(tmp_path: Path) -> None:
    joints = recording(60)
    labels = label_text([(7, 1, 10, 1), (51, 21, 40, 2)])
    files = {"PKU_Skeleton_Renew/0002-L.txt": skeleton_text(joints), "Train_Label_PKU_final/0002-L.txt": labels}
    store = built("pku_mmd", write(tmp_path / "raw", files))
    assert store.names == ("0002-L_001", "0002-L_002")
    assert (store.start.tolist(), store.stop.tolist()) == ([0, 20], [10, 40])
    for place, (start, stop) in enumerate(((0, 10), (20, 40))):
        clip = joints[start:stop].reshape(-1, 25, 3)
        assert box(seen(clip[clip.any((1, 2))]), PKU) == pytest.approx(store.box[place].tolist(), abs=1e-6)
    zero = built("pku_mmd", tmp_path / "raw", preprocessing="agcn", cut="zero_based_inclusive")
    assert (zero.start.tolist(), zero.stop.tolist()) == ([1, 21], [11, 41])


def test_the_image_of_marked_files_comes_into_the_store(tmp_path: Path) -> None:
    clip = people(5)
    write(tmp_path / "raw", {"in/a01_s01_e01.txt": msr_text(list(clip))})
    store = built("msr_pairs", tmp_path / "raw")
    u, v = 0.5 + clip[..., 0] / 8, 0.5 - clip[..., 1] / 8
    np.testing.assert_allclose(store.box, [[u.min(), v.min(), u.max(), v.max()]], atol=1e-6)
    assert (store.start.tolist(), store.stop.tolist()) == ([0], [5])


def test_a_prepared_form_has_lost_both(tmp_path: Path) -> None:
    facts = replace(dataset("ntu120"), layout="openpose18", unit="image", image_joints="joints")
    npy_pkl(tmp_path / "raw", {"train": clips(4, joints=18)}, "_data")
    store = imported("stgcn_npy", tmp_path / "raw", facts, tmp_path / "s.zarr")
    assert len(store) == 4
    assert set(store.start.tolist()) == set(store.stop.tolist()) == {-1}
    assert (store.box == -1).all()


def test_the_box_depends_on_where_the_dataset_has_image_joints() -> None:
    one = in_file((0.25, 0.5, 0.5, 0.75))
    assert joints_box(one, replace(NTU, image_joints="none")) == UNKNOWN
    assert joints_box(one, NTU) == (0.25, 0.5, 0.5, 0.75)
