"""Shared by the formats that are one .npz: which file, and its sets of clips x, labels y and, in some, names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import PrepError
from prep.formats import FindRequest, FindResult
from prep.importers import _labels
from prep.importers._clips import ClipRows, count_of, numbered, only_one, sources_of
from prep.importers._names import clean_names
from prep.untrusted.arrays import ArrayOnDisk, npz_names, open_npz, read_all, stamp


@dataclass(frozen=True)
class ClipSet:
    """The keys of one set of clips in the file: joints, labels and names ("": none, names start with `prefix`)."""

    x: str
    y: str
    prefix: str
    names: str = ""


Namer = Callable[[str, int], list[str]]


def find(request: FindRequest, sets: Sequence[ClipSet], namer: Namer = numbered) -> FindResult:
    """Every clip of the sets in the file; `namer` makes names from prefix and count where the file has none.

    Raises PrepError if a set has no labels, or not one label and one name for each clip.
    """
    path = _the_file(request.raw, {clip_set.x for clip_set in sets})
    if path is None:
        return FindResult(())
    if request.scratch is None:
        raise PrepError(f"{path}: an .npz may have to be unpacked, and there is no folder for that.")
    keys = [key for clip_set in sets for key in (clip_set.x, clip_set.y, clip_set.names) if key]
    arrays = open_npz(path, keys, request.scratch)
    parts = [_rows(request, path, clip_set, arrays, namer) for clip_set in sets if clip_set.x in arrays]
    return sources_of(parts, [path])


def _rows(request: FindRequest, path: Path, keys: ClipSet, arrays: dict[str, ArrayOnDisk], namer: Namer) -> ClipRows:
    where, array = f"{path}: {keys.y}", arrays[keys.x]
    if keys.y not in arrays:
        raise PrepError(f"{path}: has `{keys.x}` and no `{keys.y}`. Fetch it again.")
    count, size = count_of(array, path), path.stat().st_size
    labels, bad = _labels.from_array(read_all(arrays[keys.y], size), count, request.data, where)
    if keys.names in arrays:
        column = read_all(arrays[keys.names], size).reshape(-1)
        if len(column) != count:
            raise PrepError(f"{path}: {len(column)} names for the {count} clips of `{keys.x}`. Fetch it again.")
        names, nameless = clean_names(column.tolist(), where)
    else:
        names, nameless = namer(keys.prefix, count), {}
    member = keys.x if array.path == str(path) else ""
    return ClipRows(array, member, stamp(path), names, labels, bad | nameless)


def _the_file(raw: Path, wanted: set[str]) -> Path | None:
    """`raw` itself, or the only .npz of a folder, that has one of the wanted arrays. Raises PrepError for several."""
    paths = sorted(raw.glob("*.npz")) if raw.is_dir() else [raw]
    return only_one(raw, [path for path in paths if path.is_file() and wanted & set(npz_names(path))])
