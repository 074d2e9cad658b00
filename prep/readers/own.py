"""One's own data set: a folder of arrays, one file per clip, and a manifest, written as manifests/custom.py says.

The bytes are judged before anything is set aside for them: an array of objects, a size in a header that the file does
not bear out, or a shape other than the layout's is a bad file, and nothing is ever unpickled.
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
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.readers._nested import NotNumbers, Ragged, nested, numbers
from prep.untrusted.arrays import from_npy
from prep.untrusted.files import LARGEST as MOST_BYTES
from prep.untrusted.files import find_sources, location

SUFFIXES = (".npy", ".npz", ".json")
KEY = "joints"
# A larger coordinate could not be squared and summed in float32.
LARGEST = 1e12
MOST_FRAMES = 100_000
MOST_BODIES = 64
WIDEST = 2**15 - 1  # subject, camera, setup and repetition are kept in 16 bits


class _Unlabelled(Exception):
    """No label can be told of a clip."""


def find(request: FindRequest) -> FindResult:
    """Every clip in the folder that the manifest names, with its label; `request.raw` is the manifest.

    Clips whose class cannot be told, and rows of a label table without a clip, are bad. Raises PrepError where there
    is no clip at all, two have one name, or the table is no table; InvalidValue for the manifest.
    """
    if request.raw.suffix != ".toml":
        raise PrepError(f"{request.raw}: own data are built from their manifest: `fsprep build NAME.toml`.")
    own = read_custom(request.raw)
    if not own.folder.is_dir():
        raise PrepError(f"{own.folder}: there is no such folder. Correct `folder` in {request.raw}.")
    found, lost = _in_folders(own) if own.by_folder else (find_sources(own.folder, SUFFIXES), [])
    if not found and not lost:
        raise PrepError(f"{own.folder}: holds no {FORMAT.files}. Correct `folder` in {request.raw}.")
    words = _table(own.table) if own.table else {}
    sources, bad = [], list(lost)
    for source in found:
        try:
            sources.append(replace(source, label=_label(own, source, words)))
        except _Unlabelled as error:
            bad.append((source.name, f"{location(source)}: {error}"))
    there = {source.name for source in found}
    bad += [(name, f"{own.table}: names it, and there is no such clip.") for name in words if name not in there]
    return FindResult(tuple(sorted(sources, key=lambda source: source.name)), tuple(sorted(bad)))


def _in_folders(own: CustomDataset) -> tuple[list[Source], list[tuple[str, str]]]:
    """The clips of each class's folder, called <class>-<file name>, and what lies elsewhere."""
    found: list[Source] = []
    lost = []
    for path in sorted(own.folder.iterdir()):
        if path.is_dir() and path.name in own.data.classes:
            for source in find_sources(path, SUFFIXES):
                label = own.data.classes.index(path.name)
                found.append(replace(source, name=f"{path.name}-{source.name}", label=label))
        elif path.is_dir() and not path.name.startswith("."):
            lost.append((path.name, f"{path}: is the folder of no class. {hint(path.name, own.data.classes)}"))
        elif path.name.endswith(SUFFIXES):
            lost.append((path.stem, f"{path}: lies in no folder of a class. Move it into one."))
    return found, lost


def _table(path: Path) -> Mapping[str, str]:
    """Clip name to what the label table says. Raises PrepError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PrepError(f"{path}: cannot be read as a table of labels: {error}") from error
    if not rows or rows[0][:2] != ["name", "label"]:
        raise PrepError(f"{path}: line 1 is not `name,label`. The columns are parted by commas.")
    words: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) < 2:
            raise PrepError(f"{path}: line {number} has no label; a line is `name,label`.")
        if row and row[0] in words:
            raise PrepError(f"{path}: line {number} names `{row[0]}` again; a clip has one label.")
        if row:
            words[row[0]] = row[1]
    return words


def _label(own: CustomDataset, source: Source, words: Mapping[str, str]) -> int:
    if source.label >= 0:
        return source.label
    if own.table:
        if source.name not in words:
            raise _Unlabelled(f"has no line in {own.table.name}. Add one, or move the file away.")
        word, said = words[source.name], f"{own.table.name} says"
    else:
        match = re.fullmatch(own.data.pattern, source.name)
        if match is None:
            raise _Unlabelled(f"the name is not like `{own.data.pattern}`. Rename the file or move it away.")
        word, said = match["action"] or "", "the name says"
    if word in own.data.classes:
        return own.data.classes.index(word)
    if word.isascii() and word.isdigit() and len(word) <= 9 and int(word) in own.data.actions:
        return own.data.actions.index(int(word))
    first, last = own.data.actions[0], own.data.actions[-1]
    raise _Unlabelled(f"{said} `{word}`, which is no class and no number of one ({first} to {last}).")


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """One file's bytes to a Recording in the unit of the manifest; the body in slot m has the id m.

    Raises BadFile; the message says what is wrong.
    """
    known = layout_of(facts)
    joints = _joints(source, _array(source, data), len(known.joints), known.coordinates)
    stem = PurePosixPath(source.member or source.path).stem
    match = re.fullmatch(facts.pattern, stem)
    if match is None:
        raise _bad(source, f"the name `{stem}` is not like `{facts.pattern}`", "Rename the file or move it away")
    shown = np.nan_to_num(joints).any(axis=(2, 3))
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=shown.sum(axis=1),
        body_id=np.nonzero(shown)[1],
        joints=joints[shown],
        subject=_number(source, match, "subject"),
        camera=_number(source, match, "camera"),
        setup=_number(source, match, "setup"),
        repetition=_number(source, match, "repetition"),
    )


FORMAT = Format(files=".npy, .npz or .json files, one per clip", find=find, read=read, slots=True)


def _array(source: Source, data: bytes) -> NDArray[Any]:
    """Whatever array the file holds, of numbers or not."""
    file = source.member or source.path
    if file.endswith(".npy"):
        return from_npy(data, source.name)
    if file.endswith(".npz"):
        return from_npy(_member(source, data), source.name)
    return _nested(source, data)


def _member(source: Source, data: bytes) -> bytes:
    """The bytes of `joints.npy` in a .npz."""
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
    """Nested lists, or an object that has them under `joints`; null is a missing number."""
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _bad(source, f"is not readable as JSON: {error}") from error
    if isinstance(value, dict):
        if KEY not in value:
            raise _bad(source, f"is an object without `{KEY}`", f'Write the lists alone, or {{"{KEY}": ...}}')
        value = value[KEY]
    try:
        return numbers(nested(value), missing=True)
    except Ragged as error:
        remedy = "Give every frame all joints; null where missing"
        raise _bad(source, "holds lists of unequal length", remedy) from error
    except NotNumbers as error:
        raise _bad(source, "holds what is not a number") from error


def _joints(source: Source, array: NDArray[Any], joints: int, coordinates: int) -> NDArray[np.float32]:
    """(L, M, V, C) float32, once shape, type and size of the numbers are checked."""
    rule = f"frames x {joints} joints x {coordinates} numbers, or frames x bodies x {joints} x {coordinates}"
    if array.ndim not in (3, 4) or array.shape[-2:] != (joints, coordinates):
        turned = " The axes stand in another order; transpose it." if {joints, coordinates} <= set(array.shape) else ""
        raise _bad(source, f"has shape {array.shape}; it must be {rule}.{turned}")
    if array.dtype.kind not in "fiu":
        raise _bad(source, "holds what is not a number")
    if len(array) > MOST_FRAMES or (array.ndim == 4 and array.shape[1] > MOST_BODIES):
        raise _bad(source, f"has shape {array.shape}; a clip has at most {MOST_FRAMES} frames, {MOST_BODIES} bodies")
    with np.errstate(invalid="ignore"):
        far = np.isinf(array) | (np.abs(array.astype(np.float64)) > LARGEST)
    if far.any():
        raise _bad(source, f"holds a number beyond {LARGEST:g}")
    bodies = array if array.ndim == 4 else array[:, None]
    return bodies.astype(np.float32)


def _number(source: Source, match: re.Match[str], group: str) -> int:
    """What the name says of `group`, -1 where it says nothing."""
    word = match.groupdict().get(group)
    if word is None:
        return -1
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and int(word) <= WIDEST):
        raise _bad(source, f"the name says {group} `{word}`, which is no number up to {WIDEST}", "Rename the file")
    return int(word)


def _bad(source: Source, what: str, remedy: str = "Write the file again") -> BadFile:
    return BadFile(f"{source.name}: {what.rstrip('.')}. {remedy}.")
