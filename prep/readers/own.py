"""Your own dataset: a folder of arrays, one file per clip, described by a dataset file (manifests/custom.py).

Here it is decided which files are clips and which label each has; prep/readers/_array_files.py reads the files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.custom import CustomDataset, read_custom
from manifests.dataset import Dataset
from manifests.facts import layout_of
from manifests.pattern import match_name
from manifests.strict import hint
from prep.clip import LARGEST_COORDINATE, Recording, Source, is_far
from prep.errors import PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.readers._array_files import ARRAYS, MOST_FRAMES, TABLES, array_in, bad_file
from prep.untrusted.files import check_regular, find_sources, location

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
    clips, misplaced = _in_class_folders(custom) if custom.by_folder else (_clips_below(custom.folder, custom), [])
    if not clips and not misplaced:
        raise PrepError(f"{custom.folder}: holds no {FORMAT.files}. Correct `folder` in {request.raw}.")
    _check_pattern(clips, custom.data.pattern, request.raw)
    table = _label_table(custom.table) if custom.table else {}
    sources, bad = [], list(misplaced)
    for clip in clips:
        try:
            sources.append(replace(clip, label=_label(custom, clip, table)))
        except _Unlabelled as error:
            bad.append((clip.name, f"{location(clip)}: {error}"))
    names = {clip.name for clip in clips}
    absent = "names it, and there is no such clip. A clip's name has no folder and no extension."
    bad += [(name, f"{custom.table}: {absent}") for name in table if name not in names]
    used = [str(path) for path in (request.raw, custom.table) if path]
    seen = frozenset([*map(location, clips), *used])
    ordered = tuple(sorted(sources, key=lambda source: source.name))
    return FindResult(ordered, tuple(sorted(bad)), seen=seen, folder=custom.folder)


def _clips_below(folder: Path, custom: CustomDataset) -> list[Source]:
    """The clips in a folder. Tables of numbers are clips where there are no files of arrays, the label table never."""
    arrays = find_sources(folder, ARRAYS)
    tables = [] if arrays else find_sources(folder, TABLES)
    return arrays or [clip for clip in tables if custom.table is None or not _is_same(clip.path, custom.table)]


def _is_same(path: str, other: Path) -> bool:
    return Path(path).resolve() == other.resolve()


def _check_pattern(clips: Sequence[Source], pattern: str, file: Path) -> None:
    """Raise PrepError if the pattern fits no clip: one mistake is reported once, not for every clip."""
    if clips and not any(match_name(pattern, _stem(clip)) for clip in clips):
        rule = f"matches none of the {len(clips)} names, for example `{_stem(clips[0])}`"
        raise PrepError(
            f"{file}: pattern `{pattern}` {rule}. It must match the whole name of a file without its extension. "
            "Correct the pattern."
        )


def _stem(source: Source) -> str:
    """The name of the file without its extension, which `pattern` describes."""
    return PurePosixPath(source.member or source.path).stem


def _in_class_folders(custom: CustomDataset) -> tuple[list[Source], list[tuple[str, str]]]:
    """The clips in each class's folder, named <class>-<file name>, and (name, reason) of files elsewhere."""
    clips: list[Source] = []
    misplaced = []
    for path in sorted(custom.folder.iterdir()):
        if path.is_dir() and path.name in custom.data.classes:
            for source in _clips_below(path, custom):
                label = custom.data.classes.index(path.name)
                clips.append(replace(source, name=f"{path.name}-{source.name}", label=label))
        elif path.is_dir() and not path.name.startswith("."):
            rule = f"is not named like a class. {hint(path.name, custom.data.classes)}"
            misplaced.append((path.name, f"{path}: {rule}"))
        elif path.name.lower().endswith(ARRAYS):
            misplaced.append((path.stem, f"{path}: is in no class's folder. Move it into one."))
    return clips, misplaced


def _label_table(path: Path) -> Mapping[str, str]:
    """Clip name to label, without blanks around them. Raises PrepError."""
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _labels_in(path, csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PrepError(f"{path}: cannot be read as a table of labels: {error}") from error


def _labels_in(path: Path, lines: Iterable[list[str]]) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    rows = ([cell.strip() for cell in line] for line in lines)
    if next(rows, [])[:2] != ["name", "label"]:
        raise PrepError(f"{path}: line 1 is not `name,label`. Separate the columns by commas.")
    for number, row in enumerate(rows, 2):
        if not any(row):  # an empty line
            continue
        if len(row) < 2:
            raise PrepError(f"{path}: line {number} has no label; a line is `name,label`.")
        if row[0] in labels:
            raise PrepError(f"{path}: line {number} names `{row[0]}` again; a clip has one label.")
        labels[row[0]] = row[1]
    return labels


def _label(custom: CustomDataset, source: Source, table: Mapping[str, str]) -> int:
    data, stem = custom.data, _stem(source)
    match = match_name(data.pattern, stem)
    if match is None:
        rule = f"the name `{stem}` does not match `{data.pattern}`, which must match the whole name"
        raise _Unlabelled(f"{rule}. Rename the file or move it away.")
    if source.label >= 0:
        return source.label
    if custom.table and source.name not in table:
        raise _Unlabelled(f"has no line in {custom.table.name}. Add one, or move the file away.")
    word, origin = (table[source.name], custom.table.name) if custom.table else (match["action"] or "", "the name")
    label = data.label_of(word)
    if label is None:
        numbers = f"{data.actions[0]} to {data.actions[-1]}"
        near = hint(word, data.classes)
        raise _Unlabelled(f"{origin} has `{word}`, which is neither a class nor the number of one ({numbers}). {near}")
    return label


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse one file to a Recording in the dataset's unit; the body in slot m has the id m. Raises BadFile."""
    stem = _stem(source)
    match = match_name(facts.pattern, stem)
    if match is None:
        raise bad_file(source, f"the name `{stem}` does not match `{facts.pattern}`", "Rename the file or move it away")
    joints = _joints(source, array_in(source, data), facts)
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


FORMAT = Format(files=".npy, .npz, .mat, .json, .txt or .csv files, one per clip", find=find, read=read, slots=True)


def _joints(source: Source, array: NDArray[Any], facts: Dataset) -> NDArray[np.float32]:
    """(L, M, V, C) float32 in the layout's order, with checked shape, type and magnitude. Raises BadFile."""
    layout = layout_of(facts)
    joints, coordinates = len(facts.joint_order or layout.joints), layout.coordinates
    if array.ndim == 2:
        array = _from_table(source, array, joints, coordinates)
    rule = f"frames x {joints} joints x {coordinates} numbers, or frames x bodies x {joints} x {coordinates}"
    if array.ndim not in (3, 4) or array.shape[-2:] != (joints, coordinates):
        transposed = (
            " The axes are in another order; transpose it." if {joints, coordinates} <= set(array.shape) else ""
        )
        raise bad_file(source, f"has shape {array.shape}; it must be {rule}.{transposed}")
    if array.dtype.kind not in "fiu":
        raise bad_file(source, "holds what is not a number")
    if len(array) > MOST_FRAMES or (array.ndim == 4 and array.shape[1] > MOST_BODIES):
        raise bad_file(
            source, f"has shape {array.shape}; a clip has at most {MOST_FRAMES} frames, {MOST_BODIES} bodies"
        )
    if is_far(array):
        raise bad_file(source, f"holds a number beyond {LARGEST_COORDINATE:g}")
    bodies = (array if array.ndim == 4 else array[:, None]).astype(np.float32)
    # Position of each joint of the layout in the file.
    order = [facts.joint_order.index(joint) for joint in range(len(layout.joints))] if facts.joint_order else []
    return bodies[:, :, order] if order else bodies


def _from_table(source: Source, array: NDArray[Any], joints: int, coordinates: int) -> NDArray[Any]:
    """(L, V, C), or (L, M, V, C) with several bodies, from one line of numbers per frame. Raises BadFile."""
    frames, columns = array.shape
    bodies, rest = divmod(columns, joints * coordinates)
    if frames and (rest or not bodies):
        rule = f"has {columns} numbers in a line; it must be {joints} joints x {coordinates} numbers, for each body"
        raise bad_file(source, rule, "Remove other columns, such as the number or the time of the frame")
    shape = (joints, coordinates) if bodies <= 1 else (bodies, joints, coordinates)
    return array.reshape(frames, *shape)


def _number(source: Source, match: re.Match[str], group: str) -> int:
    """The number of `group` in the file name, -1 if it is not in the pattern. Raises BadFile."""
    word = match.groupdict().get(group)
    if word is None:
        return -1
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and int(word) <= LARGEST_NUMBER):
        raise bad_file(
            source, f"{group} `{word}` in the name is not a number up to {LARGEST_NUMBER}", "Rename the file"
        )
    return int(word)
