"""The dictionaries in .npy files that NTURGB-D's own Python script writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_formats import Made, assert_holds, clips, imported

from prep.build.build import BadFiles


def write(folder: Path, made: Made, **more: Any) -> None:
    folder.mkdir(exist_ok=True)
    held = {"file_name": made.name, "nbodys": made.joints.any(axis=(2, 3)).sum(1).tolist(), "njoints": 25}
    held |= {f"skel_body{slot}": made.joints[:, slot].astype(float) for slot in range(made.joints.shape[1])}
    np.save(folder / f"{made.name}.skeleton.npy", {**held, **more}, allow_pickle=True)


def test_every_body_and_frame(tmp_path: Path) -> None:
    several = clips(6)
    for made in several:
        write(tmp_path / "npy", made)
    assert_holds(imported("txt2npy", tmp_path / "npy", "ntu120", tmp_path / "s.zarr"), several)


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
