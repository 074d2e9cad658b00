"""Clips of a page: positions as recorded, to a 65,534th of the clip's extent; absent and undetected joints."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import make_store

from prep.store.read import Store, open_store
from zoo.report.clips import FRAMES, STEPS, played, quantised, upright_positions


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("stores") / "toy.zarr"
    return open_store(make_store(path, clips_per_class=2, frames=(30, 60)))


def test_positions_are_those_of_the_store(store: Store) -> None:
    for clip in range(4):
        start, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
        chosen = sorted({round(place) for place in np.linspace(0, stop - start - 1, min(FRAMES, stop - start))})
        found = played(store, clip)
        expected = store.joints(start, stop)[chosen]
        assert found.positions().shape == expected.shape
        extent = max(np.ptp(expected.reshape(-1, 3), axis=0))
        np.testing.assert_allclose(found.positions(), expected, atol=extent / STEPS)
        assert found.seconds == pytest.approx((stop - start) / store.info.fps)


def test_the_record_holds_the_integers(store: Store) -> None:
    found = played(store, 0)
    record = found.record()
    values = np.frombuffer(base64.b64decode(record["data"]), "<i2").reshape(found.frames.shape)
    np.testing.assert_array_equal(values, found.frames)
    assert (record["frames"], record["bodies"], record["joints"]) == found.frames.shape[:3]


def test_joints_that_are_absent_stay_absent_and_a_point_is_no_fault() -> None:
    positions = np.zeros((2, 1, 3, 3))
    positions[1, 0, 2] = np.nan
    found = quantised("x", positions, 1.0).positions()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(positions))
    assert np.nanmax(np.abs(found)) == 0
    assert np.isnan(quantised("x", np.full((1, 1, 2, 3), np.nan), 1.0).positions()).all()


def test_clips_are_turned_as_they_were_recorded(store: Store) -> None:
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    joints = np.random.default_rng(0).standard_normal((2, 1, 25, 3))
    np.testing.assert_allclose(upright_positions(joints, turn, store)[1, 0, 4], turn @ joints[1, 0, 4])


def test_undetected_joints_of_an_image_are_absent(tmp_path: Path) -> None:
    flat = open_store(make_store(tmp_path / "flat.zarr", clips_per_class=1, name="ntu60_2d", preprocessing="raw"))
    joints = np.ones((1, 1, 17, 3))
    joints[0, 0, 3, 2] = 0
    found = upright_positions(joints, np.eye(3), flat)
    assert np.isnan(found[0, 0, 3]).all()
    assert found[0, 0, 4].tolist() == [1, 1, 0]
