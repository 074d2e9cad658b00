"""Named arrays: what is written is read again, and no file can bring anything but numbers and text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.named_arrays import ArraysError, NamedArrays, merged, read

ONE = NamedArrays({"heat": np.arange(6.0).reshape(2, 3)}, {"heat": ("run", "joint")}, {"joint": ("a", "<b>", "é\n")})


def test_arrays_axes_and_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    ONE.save(tmp_path / "x.npz")
    again = read(tmp_path / "x.npz")
    np.testing.assert_array_equal(again["heat"], ONE["heat"])
    assert (again.axes, again.labels, list(again)) == (ONE.axes, ONE.labels, ["heat"])
    with np.load(tmp_path / "x.npz", allow_pickle=False) as plain:
        assert plain["axes/heat"].tolist() == ["run", "joint"]


def test_arrays_that_do_not_fit_their_axes_are_refused() -> None:
    with pytest.raises(ArraysError, match=r"heat has 2 axes, and names for 1\. Name each axis once\."):
        NamedArrays({"heat": np.zeros((2, 3))}, {"heat": ("run",)})
    with pytest.raises(ArraysError, match="heat has 2 axes, and names for none"):
        NamedArrays({"heat": np.zeros((2, 3))}, {})
    with pytest.raises(ArraysError, match="heat: axis `run` is 2 long and has 1 labels"):
        NamedArrays({"heat": np.zeros((2, 3))}, {"heat": ("run", "joint")}, {"run": ("a",)})


def test_sets_of_arrays_are_joined_unless_they_contradict() -> None:
    other = NamedArrays({"sum": np.zeros(3)}, {"sum": ("joint",)}, ONE.labels)
    assert sorted(merged([ONE, other])) == ["heat", "sum"]
    with pytest.raises(ArraysError, match="heat is in two of the sets"):
        merged([ONE, ONE])
    with pytest.raises(ArraysError, match="axis `joint` has other labels"):
        merged([ONE, NamedArrays({"sum": np.zeros(1)}, {"sum": ("joint",)}, {"joint": ("a",)})])


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ArraysError, match=r"x\.npz: not a file of named arrays .*`fszoo report` or `fszoo explain`"):
        read(tmp_path / "x.npz")


def test_a_file_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", heat=np.array([object()], dtype=object))
    with pytest.raises(ArraysError, match="not a file of named arrays"):
        read(tmp_path / "x.npz")
