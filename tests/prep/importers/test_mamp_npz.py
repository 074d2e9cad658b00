"""The .npz formats of PKU-MMD, and that of `fsprep export --format npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_formats import SyntheticClip, assert_holds, channels_first, clips, find, flat, imported, one_hot

from manifests.facts import dataset
from prep.errors import PrepError

CLASSES = len(dataset("pku_mmd").classes)


def named(several: list[SyntheticClip], part: str) -> list[SyntheticClip]:
    return [SyntheticClip(f"{part}-{row:06d}", clip.label, clip.joints) for row, clip in enumerate(several, 1)]


def test_mamp(tmp_path: Path) -> None:
    train, test = clips(6), clips(3, seed=1)
    y_train, y_test = one_hot(train, CLASSES), one_hot(test, CLASSES)
    np.savez(tmp_path / "PKUv1_XSub.npz", x_train=flat(train), y_train=y_train, x_test=flat(test), y_test=y_test)
    store = imported("mamp_npz", tmp_path, "pku_mmd", tmp_path / "s.zarr")
    assert_holds(store, [*named(train, "train"), *named(test, "test")])


def test_star(tmp_path: Path) -> None:
    several = clips(6)
    y = np.array([[clip.label] for clip in several])
    np.savez(tmp_path / "pkuv1_xsub.npz", x=channels_first(several, 64), y=y)
    assert_holds(imported("mamp_npz", tmp_path, "pku_mmd", tmp_path / "s.zarr"), named(several, "clip"))


def test_a_label_beyond_the_classes_is_bad(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=channels_first(clips(3), 64), y=np.array([[0], [51], [-1]]))
    result = find("mamp_npz", tmp_path, "pku_mmd", tmp_path)
    assert [source.name for source in result.sources] == ["clip-000001"]
    rule = "does not exist; pku_mmd has 0 to 50"
    assert result.bad == (("clip-000002", f"label 51 {rule}"), ("clip-000003", f"label -1 {rule}"))


def test_names_are_as_many_as_clips_and_differ(tmp_path: Path) -> None:
    x, y = flat(clips(2)), one_hot(clips(2), CLASSES)
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array(["a"]))
    with pytest.raises(PrepError, match="1 names for the 2 clips"):
        find("mamp_npz", tmp_path / "a.npz", "pku_mmd", tmp_path)
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array(["a", "a"]))
    with pytest.raises(PrepError, match="holds two clips `a`"):
        find("mamp_npz", tmp_path / "a.npz", "pku_mmd", tmp_path)
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array(["../a", "b"]))
    ((row, reason),) = find("mamp_npz", tmp_path / "a.npz", "pku_mmd", tmp_path).bad
    assert row == "row 1"
    assert "is not the name of a clip" in reason
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array([b"a", b"b"]))
    assert [source.name for source in find("mamp_npz", tmp_path / "a.npz", "pku_mmd", tmp_path).sources] == ["a", "b"]
