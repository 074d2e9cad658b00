"""The dictionaries in .npy files that NTURGB-D's own Python script writes."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_formats import SyntheticClip, assert_holds, clips, imported

from prep.building.build import BadFiles


def write(folder: Path, clip: SyntheticClip, **more: Any) -> None:
    folder.mkdir(exist_ok=True)
    content = {"file_name": clip.name, "nbodys": clip.joints.any(axis=(2, 3)).sum(1).tolist(), "njoints": 25}
    content |= {f"skel_body{slot}": clip.joints[:, slot].astype(float) for slot in range(clip.joints.shape[1])}
    np.save(folder / f"{clip.name}.skeleton.npy", {**content, **more}, allow_pickle=True)


def test_every_body_and_frame(tmp_path: Path) -> None:
    several = clips(6)
    for clip in several:
        write(tmp_path / "npy", clip)
    assert_holds(imported("txt2npy", tmp_path / "npy", "ntu120", tmp_path / "s.zarr"), several)


def test_a_recording_of_nobody(tmp_path: Path) -> None:
    empty = clips(1)[0]
    (tmp_path / "npy").mkdir()
    content = {"file_name": empty.name, "nbodys": [0, 0, 0], "njoints": 25}
    np.save(tmp_path / "npy" / f"{empty.name}.skeleton.npy", content, allow_pickle=True)  # type: ignore[arg-type]
    store = imported("txt2npy", tmp_path / "npy", "ntu120", tmp_path / "s.zarr")
    assert store.offsets.tolist() == [0, 3]
    assert not store.joints().any()


def test_announced_frames_take_no_memory(tmp_path: Path) -> None:
    """A million frames in `nbodys` and a body of one frame: 600 MB, were they believed."""
    one = clips(1)[0]
    write(tmp_path / "npy", one, nbodys=[1] * 10**6)
    tracemalloc.start()
    try:
        with pytest.raises(BadFiles):
            imported("txt2npy", tmp_path / "npy", "ntu120", tmp_path / "s.zarr")
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


class Exploit:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_code_and_other_shapes_are_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good, code, short, plain = clips(4)
    write(tmp_path / "npy", good)
    write(tmp_path / "npy", code, extra=Exploit())
    write(tmp_path / "npy", short, skel_body0=np.zeros((2, 25, 3)))
    np.save(tmp_path / "npy" / f"{plain.name}.skeleton.npy", plain.joints)
    with pytest.raises(BadFiles) as caught:
        imported("txt2npy", tmp_path / "npy", "ntu120", tmp_path / "s.zarr")
    reasons = dict(caught.value.bad)
    assert list(reasons) == [code.name, short.name, plain.name]
    assert "posix.system" in reasons[code.name]
    assert "skel_body0 is not of shape" in reasons[short.name]
    assert "is not one object in a .npy" in reasons[plain.name]
    assert not (tmp_path / "executed").exists()
