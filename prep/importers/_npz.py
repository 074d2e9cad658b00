"""What the forms that are one .npz share: which file, and its sets of clips x, labels y and, in some, names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import PrepError
from prep.formats import Found, Request
from prep.importers import _labels
from prep.importers._clips import Rows, clean_name, found, numbered
from prep.untrusted.arrays import ArrayOnDisk, npz_names, open_npz, read_all, stamp


@dataclass(frozen=True)
class Part:
    """The keys of one set of clips: joints, labels, names ("" for none), and the prefix of names to be invented."""

    x: str
    y: str
    prefix: str
    names: str = ""


Namer = Callable[[str, int], list[str]]


def find(request: Request, parts: Sequence[Part], namer: Namer = numbered) -> Found:
    """Every clip of the parts that the file has; `namer` gives names, by prefix and count, where the file has none.

    Raises PrepError where a part has no labels, or not one label and one name for each clip.
    """
    path = _the_file(request.raw, [part.x for part in parts])
    if path is None:
        return Found(())
    if request.scratch is None:
        raise PrepError(f"{path}: an .npz may have to be unpacked, and there is no folder for that.")
    arrays = open_npz(path, [key for part in parts for key in (part.x, part.y, part.names) if key], request.scratch)
    return found([_rows(request, path, part, arrays, namer) for part in parts if part.x in arrays])


def _rows(request: Request, path: Path, part: Part, arrays: dict[str, ArrayOnDisk], namer: Namer) -> Rows:
    where, at = f"{path}: {part.y}", arrays[part.x]
    if part.y not in arrays:
        raise PrepError(f"{path}: has `{part.x}` and no `{part.y}`. Fetch it again.")
    count = at.shape[0] if at.shape else 0
    labels, bad = _labels.from_array(read_all(arrays[part.y]), count, request.data, where)
    if part.names in arrays:
        names = [clean_name(name, where) for name in read_all(arrays[part.names]).reshape(-1).tolist()]
    else:
        names = namer(part.prefix, count)
    if len(names) != count:
        raise PrepError(f"{path}: {len(names)} names for the {count} clips of `{part.x}`. Fetch it again.")
    member = part.x if at.path == str(path) else ""
    return Rows(at, member, stamp(path), names, labels, bad)


def _the_file(raw: Path, wanted: Sequence[str]) -> Path | None:
    """The .npz meant by a file, or by a folder that has one with any of the keys. Raises PrepError for several."""
    if raw.is_file():
        return raw if set(wanted) & set(npz_names(raw)) else None
    held = [path for path in sorted(raw.glob("*.npz")) if set(wanted) & set(npz_names(path))]
    if len(held) > 1:
        raise PrepError(f"{raw}: holds {', '.join(path.name for path in held)}. Name the file instead of the folder.")
    return held[0] if held else None
