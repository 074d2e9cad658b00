"""The report of a finished sweep, kept so that the same command shows it again without torch and without a store.

It is valid while nothing that it depends on has changed: the words of the command, the code and recipes of this
project, the user's own files, the stores in the workspace, and the results of the runs. Else everything is resolved
again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from manifests.digest import digest_of
from prep.files import atomic_write

FLOORS = ("manifests", "prep", "episodes", "zoo", "cli")
FOLDER = ".tables"


def report_key(words: Mapping[str, Any], stores: Path) -> str:
    """The key of a report: the command's words, this project's files, and the names of the stores in the workspace."""
    root, code = Path(__file__).parents[2], hashlib.sha256()
    files = (file for floor in FLOORS for kind in ("*.py", "*.toml", "*.txt") for file in (root / floor).rglob(kind))
    for file in sorted(files):
        code.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    names = sorted(path.name for path in stores.iterdir()) if stores.is_dir() else []
    return digest_of({"words": dict(words), "code": code.hexdigest(), "stores": names})


def keep(runs: Path, key: str, files: Iterable[Path], report: Mapping[str, Any]) -> None:
    """Keep a report, which is valid while each of `files` has the content that it has now."""
    digests = {str(file.absolute()): _digest(file) for file in files}
    (runs / FOLDER).mkdir(parents=True, exist_ok=True)
    atomic_write(_file(runs, key), json.dumps({"files": digests, "report": dict(report)}))


def kept(runs: Path, key: str) -> dict[str, Any] | None:
    """The report that was kept under a key; None where there is none or a file has changed since."""
    try:
        content = json.loads(_file(runs, key).read_bytes())
        valid = all(_digest(Path(file)) == digest for file, digest in content["files"].items())
        report: dict[str, Any] = content["report"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return report if valid else None


def figure_path(runs: Path, key: str, name: str) -> Path:
    """Where a figure of a sweep lies: beside its kept report."""
    return runs / FOLDER / f"{name}-{key[:8]}.png"


def _file(runs: Path, key: str) -> Path:
    return runs / FOLDER / f"{key[:32]}.json"


def _digest(file: Path) -> str:
    """sha256 of a file; "" where it does not exist."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
