"""NamedArrays: the arrays behind a figure or a report, every axis with a name, in one .npz file that numpy reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.files import atomic_write

AXES, LABELS = "axes/", "labels/"


class ArraysError(Exception):
    """A file of arrays cannot be read, or arrays do not fit their axes; the text names the array."""


@dataclass(frozen=True)
class NamedArrays:
    """Arrays by name; `axes` names the axes of each, and `labels` the places along an axis where they have names.

    The file has, beside each array `x`, `axes/x` with the names of its axes, and `labels/joint` with those of the
    joints. All are numbers or text, so numpy reads them without pickle. Raises ArraysError for an array whose axes are
    not all named, or whose axis has another length than its labels.

    >>> NamedArrays({"accuracy": np.zeros(2)}, {"accuracy": ("class",)}, {"class": ("hush", "yawn")})["accuracy"]
    array([0., 0.])
    """

    arrays: Mapping[str, NDArray[Any]]
    axes: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            axes = self.axes.get(name)
            if axes is None or len(axes) != array.ndim:
                given = "none" if axes is None else len(axes)
                raise ArraysError(f"{name} has {array.ndim} axes, and names for {given}. Name each axis once.")
            for axis, length in zip(axes, array.shape, strict=True):
                if axis in self.labels and len(self.labels[axis]) != length:
                    named = len(self.labels[axis])
                    raise ArraysError(f"{name}: axis `{axis}` is {length} long and has {named} labels. Give one each.")

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def number(self, name: str) -> float:
        """An array without axes as a number."""
        return float(self.arrays[name])

    def save(self, path: Path) -> None:
        """Write all to a .npz file, whole or not at all."""
        content: dict[str, NDArray[Any]] = dict(self.arrays)
        content |= {f"{AXES}{name}": np.array(axes, dtype=np.str_) for name, axes in self.axes.items()}
        content |= {f"{LABELS}{axis}": np.array(names, dtype=np.str_) for axis, names in self.labels.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **content)  # type: ignore[arg-type]
        atomic_write(path, buffer.getvalue())


def read(path: Path) -> NamedArrays:
    """Read what `NamedArrays.save` wrote. Raises ArraysError for any other file."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        remedy = "Give a file that `fszoo report` or `fszoo explain` wrote"
        raise ArraysError(f"{path}: not a file of named arrays ({error}). {remedy}.") from error
    plain = {name: array for name, array in content.items() if not name.startswith((AXES, LABELS))}
    return NamedArrays(plain, _texts(content, AXES), _texts(content, LABELS))


def merged(parts: Sequence[NamedArrays]) -> NamedArrays:
    """The arrays of several, whose names must differ; labels of an axis that several have must be equal.

    Raises ArraysError where they do not.
    """
    arrays, axes, labels = dict[str, NDArray[Any]](), dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
    for part in parts:
        for name in part:
            if name in arrays:
                raise ArraysError(f"{name} is in two of the sets of arrays that are joined. Rename one.")
        for axis, names in part.labels.items():
            if labels.setdefault(axis, names) != names:
                raise ArraysError(f"axis `{axis}` has other labels in one of the sets that are joined. Rename one.")
        arrays |= part.arrays
        axes |= part.axes
    return NamedArrays(arrays, axes, labels)


def _texts(content: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, tuple[str, ...]]:
    return {
        name.removeprefix(prefix): tuple(map(str, array.tolist()))
        for name, array in content.items()
        if name.startswith(prefix)
    }
