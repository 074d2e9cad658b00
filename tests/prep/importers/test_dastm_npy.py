"""DASTM's triples: labels as they are, true lengths, and lengths that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_formats import SyntheticClip, assert_holds, channels_first, clips, find, imported

from prep.building.build import BadFiles
from prep.errors import PrepError


def write(folder: Path, parts: dict[str, list[SyntheticClip]]) -> Path:
    folder.mkdir()
    for part, several in parts.items():
        np.save(folder / f"{part}_data.npy", channels_first(several))
        np.save(folder / f"{part}_label.npy", np.array([clip.label for clip in several]))
        np.save(folder / f"{part}_frame.npy", np.array([len(clip.joints) for clip in several]))
    return folder


def test_the_true_length_is_kept_even_where_nobody_is_seen(tmp_path: Path) -> None:
    several = clips(6)
    several[0].joints[-2:] = 0
    folder = write(tmp_path / "d", {"train": several[:3], "val": several[3:5], "test": several[5:]})
    names = ["train-000001", "train-000002", "train-000003", "val-000001", "val-000002", "test-000001"]
    store = imported("dastm_npy", folder, "ntu120", tmp_path / "s.zarr")
    assert_holds(store, [replace(clip, name=name) for clip, name in zip(several, names, strict=True)])


@pytest.mark.parametrize("length", [301, -1])
def test_a_length_beyond_the_row_is_bad(tmp_path: Path, length: int) -> None:
    folder = write(tmp_path / "d", {"train": clips(2)})
    np.save(folder / "train_frame.npy", np.array([5, length]))
    with pytest.raises(BadFiles, match=f"train-000002: {length} frames announced"):
        imported("dastm_npy", folder, "ntu120", tmp_path / "s.zarr")


def test_a_part_without_labels_or_lengths(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", {"train": clips(2)})
    np.save(folder / "train_frame.npy", np.array([5]))
    with pytest.raises(PrepError, match="lengths of shape .1,. for 2 clips"):
        find("dastm_npy", folder, "ntu120", tmp_path)
    (folder / "train_label.npy").unlink()
    with pytest.raises(PrepError, match="train_label.npy: cannot be read"):
        find("dastm_npy", folder, "ntu120", tmp_path)
