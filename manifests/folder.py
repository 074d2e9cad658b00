"""The names in a folder: a record, module or recipe is named after its file."""

from __future__ import annotations

from pathlib import Path


def stems(folder: Path, suffix: str) -> list[str]:
    """Names of the files in `folder` with this suffix, without it, sorted; files that begin with `_` are left out.

    >>> stems(Path(__file__).parent / "layouts", ".toml")
    ['coco17', 'kinect20', 'ntu25', 'openpose18']
    """
    return sorted(path.stem for path in folder.glob(f"*{suffix}") if not path.stem.startswith("_"))
