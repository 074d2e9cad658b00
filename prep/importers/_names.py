"""Names of clips as files of unknown origin spell them: text or bytes, with folders and suffixes of files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from manifests.text import plain
from prep.errors import BadFile
from prep.untrusted.brief import brief
from prep.untrusted.text import text_of

LONGEST_NAME, LONGEST_PATH = 200, 4_000
_SUFFIXES = (".skeleton", ".json", ".txt", ".npy")


def clean_names(names: Iterable[Any], where: str) -> tuple[list[str], dict[int, str]]:
    """The name of each clip, and the reason for each row that has none; these are called `row 1`, `row 2` and so on.

    A path is named by its last part, or by all of them where two clips would have the same name.

    >>> clean_names(["ntu/S001.skeleton", b"S002 ", "..", 7], "here")[0]
    ['S001', 'S002', 'row 3', 'row 4']
    >>> clean_names(["run/1.json", "walk/1.json"], "here")[0]
    ['run-1', 'walk-1']
    """
    paths: list[tuple[str, ...]] = []
    bad: dict[int, str] = {}
    for row, name in enumerate(names):
        try:
            paths.append(_path(name))
        except BadFile as error:
            bad[row] = f"{where}: {error}"
            paths.append((f"row {row + 1}",))
    counts = Counter(path[-1] for path in paths)
    cleaned = ["-".join(path) if counts[path[-1]] > 1 else path[-1] for path in paths]
    for row, name in enumerate(cleaned):
        if len(name) > LONGEST_NAME:
            bad[row] = f"{where}: {brief(name)} has more than {LONGEST_NAME} characters. Shorten the name."
    return cleaned, bad


def clean_name(name: Any, where: str) -> str:
    """The name of one clip, the last part of its path. Raises BadFile for anything that cannot be a name."""
    (cleaned,), bad = clean_names([name], where)
    if bad:
        raise BadFile(bad[0])
    return cleaned


def _path(name: Any) -> tuple[str, ...]:
    """The folders and the name, without a file's suffix. Raises BadFile.

    Names are printed, and exports make files of them: control characters and `..` are not allowed.
    """
    text = text_of(name[: LONGEST_PATH + 1] if isinstance(name, bytes) else name)
    if not isinstance(text, str) or len(text) > LONGEST_PATH or plain(text.strip()) != text.strip():
        raise BadFile(f"{brief(name)} is not the name of a clip. Fetch the file again.")
    parts = [part for part in re.split(r"[/\\]", text.strip()) if part not in ("", ".")]
    for suffix in _SUFFIXES:
        if parts and parts[-1].lower().endswith(suffix):
            parts[-1] = parts[-1][: -len(suffix)]
    if not parts or not parts[-1] or ".." in parts:
        raise BadFile(f"{brief(name)} is not the name of a clip. Fetch the file again.")
    return tuple(parts)
