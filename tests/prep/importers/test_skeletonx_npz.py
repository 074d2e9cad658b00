"""SkeletonX's one-shot npz: three parts with names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_formats import SyntheticClip, assert_holds, clips, find, flat, imported, one_hot

from prep.errors import PrepError


def parts(kind: str) -> tuple[list[SyntheticClip], dict[str, np.ndarray]]:
    several = clips(6)
    arrays = {}
    for part, members in {"aux": several[:3], "anchor": several[3:4], "eval": several[4:]}.items():
        arrays[f"x_{part}"] = flat(members, doubled=True)
        arrays[f"y_{part}"] = one_hot(members, 120)
        arrays[f"name_{part}"] = np.array([clip.name for clip in members]).astype(kind)
    return several, arrays


@pytest.mark.parametrize("kind", ["U", "S"])
def test_all_three_parts(tmp_path: Path, kind: str) -> None:
    several, arrays = parts(kind)
    np.savez(tmp_path / "NTU120_1Shot.npz", **arrays)
    assert_holds(imported("skeletonx_npz", tmp_path, "ntu120", tmp_path / "s.zarr"), several)


def test_a_name_that_contradicts_its_label_is_bad(tmp_path: Path) -> None:
    _, arrays = parts("U")
    arrays["name_aux"][0] = "S001C001P001R001A099"
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PrepError, match="label 0 is action 1, the name says 099"):
        imported("skeletonx_npz", tmp_path, "ntu120", tmp_path / "s.zarr")


def test_names_as_python_objects_are_refused(tmp_path: Path) -> None:
    _, arrays = parts("U")
    np.savez(tmp_path / "a.npz", **{**arrays, "name_aux": arrays["name_aux"].astype(object)})
    with pytest.raises(PrepError, match="holds Python objects"):
        find("skeletonx_npz", tmp_path, "ntu120", tmp_path)


def test_one_name_in_two_parts(tmp_path: Path) -> None:
    _, arrays = parts("U")
    arrays["name_eval"][0] = arrays["name_anchor"][0]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PrepError, match="holds two clips `S001C001P004R001A004`"):
        find("skeletonx_npz", tmp_path, "ntu120", tmp_path)
