"""CTR-GCN's NTU60_{CS,CV}.npz and NTU120_{CSub,CSet}.npz, which InfoGCN, HD-GCN and many others read as well.

x_train, x_test (N, 300, 150) float32: per frame 2 bodies x 25 joints x 3, in metres from the spine of the first frame,
zeros after the last frame; y_train, y_test (N, classes) one-hot. For a clip with one body, the files of NTU 60 fill the
second slot with zeros and those of NTU 120 repeat the body; a second body that is identical to the first is left out.

The files contain no names. In the public code (data/ntu/seq_transformation.py, data/ntu120/seq_transformation.py) clips
are ordered by subject (camera, setup) of the part, and within one by skes_available_name.txt. With that list and the
split, every clip gets its name back; counts and labels are checked. Otherwise names are train-000001 and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips, _npz
from prep.importers._names import clean_name
from prep.untrusted.files import check_regular

# The training subjects of NTU RGB+D 60 and 120 (Shahroudy et al., 2016; Liu et al., 2020).
SUBJECTS_60 = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
SUBJECTS_120 = (45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103)
_PARTS = (_npz.ClipSet("x_train", "y_train", "train"), _npz.ClipSet("x_test", "y_test", "test"))


@dataclass(frozen=True)
class Options:
    """`names` is the path of skes_available_name.txt, one clip per line; `split` is the split of the file."""

    names: str = ""
    split: Literal["", "xsub", "xview", "xset"] = ""


def find(request: FindRequest) -> FindResult:
    """Every row of both parts. Raises PrepError if counts or labels contradict the list of names."""
    options: Options = request.options or Options()
    if not options.names and not options.split:
        return _npz.find(request, _PARTS)
    if not (options.names and options.split):
        raise PrepError("names and split belong together: --option names=LIST --option split=xsub, xview or xset.")
    divided = divide(_listed(Path(options.names), request.data), options.split, request.data)
    result = _npz.find(request, _PARTS, lambda prefix, count: _names(divided[prefix], prefix, count, options.names))
    for source in result.sources:
        _check_label(source, request.data, options.names)
    return result


FORMAT = Format(
    files="NTU60_*.npz or NTU120_*.npz with x_train, y_train, x_test and y_test",
    find=find,
    read=_clips.read_flat_pair,
    load=_clips.load_row,
    options=Options,
    prepared=True,
)


def divide(names: list[str], split: str, data: Dataset) -> dict[str, list[str]]:
    """The names of each part, train and test, in the order of the public code: by subject, camera or setup.

    Odd setups and camera 1 are the test part. Raises PrepError for a name without that number.
    """
    group = {"xsub": "subject", "xview": "camera", "xset": "setup"}[split]
    by_value: dict[int, list[str]] = {}
    for name in names:
        match = match_name(data.pattern, name)
        if match is None or group not in match.groupdict():
            raise PrepError(
                f"{name}: the name has no {group} as {data.name} writes them, so {split} cannot be applied."
            )
        by_value.setdefault(int(match[group]), []).append(name)
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for value in sorted(by_value):
        parts["train" if _trains(split, value) else "test"] += by_value[value]
    return parts


def _trains(split: str, value: int) -> bool:
    if split == "xsub":
        return value in SUBJECTS_60 or value in SUBJECTS_120
    return value in (2, 3) if split == "xview" else value % 2 == 0


def _listed(path: Path, data: Dataset) -> list[str]:
    try:
        check_regular(path)
        lines = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise PrepError(f"{path}: cannot be read as a list of names ({error}).") from error
    return [clean_name(line, str(path)) for line in lines]


def _names(names: list[str], prefix: str, count: int, path: str) -> list[str]:
    if len(names) != count:
        rule = f"{path} has {len(names)} clips for the {prefix} part, the file {count}"
        raise PrepError(f"{rule}. Take the list and the split that the file was made with.")
    return names


def _check_label(source: Source, data: Dataset, path: str) -> None:
    try:
        _clips.details_of(source, data)
    except BadFile as error:
        raise PrepError(f"{error} {path} is not the list, or the split not the one, of this file.") from error
