"""Your own dataset: a folder of arrays, one file per clip, described by a dataset file (manifests/custom.py).

Files are validated before memory is allocated for them. An array of objects, a header that announces more than the
file holds, or a shape that does not fit the layout makes a file unusable. Nothing is ever unpickled.
"""

from __future__ import annotations

import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.custom import CustomDataset, read_custom
from manifests.dataset import Dataset
from manifests.facts import layout_of
from manifests.strict import hint
from prep.clip import LARGEST_COORDINATE, Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.readers._nested import NotNumbers, Ragged, nested, numbers
from prep.untrusted.arrays import from_npy
from prep.untrusted.files import LARGEST as MOST_BYTES
from prep.untrusted.files import find_sources, location

SUFFIXES = (".npy", ".npz", ".json")
KEY = "joints"
MOST_FRAMES = 100_000
MOST_BODIES = 64
LARGEST_NUMBER = 2**15 - 1  # subject, camera, setup and repetition are stored in 16 bits


class _Unlabelled(Exception):
    """A clip whose label cannot be determined."""


def find(request: FindRequest) -> FindResult:
    """Every clip in the folder that the dataset file names, with its label; `request.raw` is the dataset file.

    Unusable: clips without a valid label, and rows of the label table without a clip. Raises PrepError if there are no
    clips, two have the same name, or the table is unreadable; InvalidValue for the dataset file.
    """
    if request.raw.suffix != ".toml":
        raise PrepError(f"{request.raw}: build your own dataset from its dataset file: `fsprep build NAME.toml`.")
    custom = read_custom(request.raw)
    if not custom.folder.is_dir():
        raise PrepError(f"{custom.folder}: there is no such folder. Correct `folder` in {request.raw}.")
    clips, misplaced = _in_class_folders(custom) if custom.by_folder else (find_sources(custom.folder, SUFFIXES), [])
    if not clips and not misplaced:
        raise PrepError(f"{custom.folder}: holds no {FORMAT.files}. Correct `folder` in {request.raw}.")
    table = _label_table(custom.table) if custom.table else {}
    sources, bad = [], list(misplaced)
    for clip in clips:
        try:
            sources.append(replace(clip, label=_label(custom, clip, table)))
        except _Unlabelled as error:
            bad.append((clip.name, f"{location(clip)}: {error}"))
    names = {clip.name for clip in clips}
    bad += [(name, f"{custom.table}: names it, and there is no such clip.") for name in table if name not in names]
    return FindResult(tuple(sorted(sources, key=lambda source: source.name)), tuple(sorted(bad)))


def _in_class_folders(custom: CustomDataset) -> tuple[list[Source], list[tuple[str, str]]]:
    """The clips in each class's folder, named <class>-<file name>, and (name, reason) of files elsewhere."""
    clips: list[Source] = []
    misplaced = []
    for path in sorted(custom.folder.iterdir()):
        if path.is_dir() and path.name in custom.data.classes:
            for source in find_sources(path, SUFFIXES):
                label = custom.data.classes.index(path.name)
                clips.append(replace(source, name=f"{path.name}-{source.name}", label=label))
        elif path.is_dir() and not path.name.startswith("."):
            rule = f"is not named like a class. {hint(path.name, custom.data.classes)}"
            misplaced.append((path.name, f"{path}: {rule}"))
        elif path.name.endswith(SUFFIXES):
            misplaced.append((path.stem, f"{path}: is in no class's folder. Move it into one."))
    return clips, misplaced


def _label_table(path: Path) -> Mapping[str, str]:
    """Clip name to label, without blanks around them. Raises PrepError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PrepError(f"{path}: cannot be read as a table of labels: {error}") from error
    if not rows or rows[0][:2] != ["name", "label"]:
        raise PrepError(f"{path}: line 1 is not `name,label`. Separate the columns by commas.")
    labels: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        if len(row) < 2:
            raise PrepError(f"{path}: line {number} has no label; a line is `name,label`.")
        if row[0] in labels:
            raise PrepError(f"{path}: line {number} names `{row[0]}` again; a clip has one label.")
        labels[row[0]] = row[1]
    return labels


def _label(custom: CustomDataset, source: Source, table: Mapping[str, str]) -> int:
    data = custom.data
    if source.label >= 0:
        return source.label
    if custom.table:
        if source.name not in table:
            raise _Unlabelled(f"has no line in {custom.table.name}. Add one, or move the file away.")
        word, origin = table[source.name], custom.table.name
    else:
        match = re.fullmatch(data.pattern, source.name)
        if match is None:
            raise _Unlabelled(f"the name does not match `{data.pattern}`. Rename the file or move it away.")
        word, origin = match["action"] or "", "the name"
    if word in data.classes:
        return data.classes.index(word)
    if word.isascii() and word.isdigit() and len(word) <= 9 and int(word) in data.actions:
        return data.actions.index(int(word))
    numbers = f"{data.actions[0]} to {data.actions[-1]}"
    raise _Unlabelled(f"{origin} has `{word}`, which is neither a class nor the number of one ({numbers}).")


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording in the dataset's unit; the body in slot m has the id m. Raises BadFile."""
    layout = layout_of(facts)
    joints = _joints(source, _array(source, data), len(layout.joints), layout.coordinates)
    stem = PurePosixPath(source.member or source.path).stem
    match = re.fullmatch(facts.pattern, stem)
    if match is None:
        raise _bad(source, f"the name `{stem}` does not match `{facts.pattern}`", "Rename the file or move it away")
    present = np.nan_to_num(joints).any(axis=(2, 3))
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=present.sum(axis=1),
        body_id=np.nonzero(present)[1],
        joints=joints[present],
        subject=_number(source, match, "subject"),
        camera=_number(source, match, "camera"),
        setup=_number(source, match, "setup"),
        repetition=_number(source, match, "repetition"),
    )


FORMAT = Format(files=".npy, .npz or .json files, one per clip", find=find, read=read, slots=True)


def _array(source: Source, data: bytes) -> NDArray[Any]:
    """The array in the file, of any type and shape. Raises BadFile."""
    file = source.member or source.path
    if file.endswith(".npy"):
        return from_npy(data, source.name)
    if file.endswith(".npz"):
        return from_npy(_member(source, data), source.name)
    return _nested(source, data)


def _member(source: Source, data: bytes) -> bytes:
    """The bytes of `joints.npy` in a .npz. Raises BadFile."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = archive.getinfo(f"{KEY}.npy")
            if entry.file_size > MOST_BYTES:
                raise _bad(source, f"`{KEY}` announces {entry.file_size} bytes; a clip has at most {MOST_BYTES}")
            with archive.open(entry) as file:
                return file.read(entry.file_size + 1)
    except KeyError as error:
        raise _bad(source, f"holds no array `{KEY}`", f"Save it as numpy.savez(file, {KEY}=array)") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise _bad(source, f"is not a readable .npz ({str(error)[:200]})") from error


def _nested(source: Source, data: bytes) -> NDArray[Any]:
    """Nested lists in JSON, or in an object under `joints`; null is a missing number. Raises BadFile."""
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _bad(source, f"is not readable as JSON: {error}") from error
    if isinstance(value, dict):
        if KEY not in value:
            raise _bad(source, f"is an object without `{KEY}`", f'Write only the lists, or {{"{KEY}": ...}}')
        value = value[KEY]
    try:
        return numbers(nested(value), missing=True)
    except Ragged as error:
        remedy = "Give every frame all joints; null where missing"
        raise _bad(source, "holds lists of unequal length", remedy) from error
    except NotNumbers as error:
        raise _bad(source, "holds what is not a number") from error


def _joints(source: Source, array: NDArray[Any], joints: int, coordinates: int) -> NDArray[np.float32]:
    """(L, M, V, C) float32 with checked shape, type and magnitude. Raises BadFile."""
    rule = f"frames x {joints} joints x {coordinates} numbers, or frames x bodies x {joints} x {coordinates}"
    if array.ndim not in (3, 4) or array.shape[-2:] != (joints, coordinates):
        transposed = (
            " The axes are in another order; transpose it." if {joints, coordinates} <= set(array.shape) else ""
        )
        raise _bad(source, f"has shape {array.shape}; it must be {rule}.{transposed}")
    if array.dtype.kind not in "fiu":
        raise _bad(source, "holds what is not a number")
    if len(array) > MOST_FRAMES or (array.ndim == 4 and array.shape[1] > MOST_BODIES):
        raise _bad(source, f"has shape {array.shape}; a clip has at most {MOST_FRAMES} frames, {MOST_BODIES} bodies")
    with np.errstate(invalid="ignore"):
        far = np.isinf(array) | (np.abs(array.astype(np.float64)) > LARGEST_COORDINATE)
    if far.any():
        raise _bad(source, f"holds a number beyond {LARGEST_COORDINATE:g}")
    bodies = array if array.ndim == 4 else array[:, None]
    return bodies.astype(np.float32)


def _number(source: Source, match: re.Match[str], group: str) -> int:
    """The number of `group` in the file name, -1 if it is not in the pattern. Raises BadFile."""
    word = match.groupdict().get(group)
    if word is None:
        return -1
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and int(word) <= LARGEST_NUMBER):
        raise _bad(source, f"{group} `{word}` in the name is not a number up to {LARGEST_NUMBER}", "Rename the file")
    return int(word)


def _bad(source: Source, what: str, remedy: str = "Write the file again") -> BadFile:
    return BadFile(f"{source.name}: {what.rstrip('.')}. {remedy}.")
