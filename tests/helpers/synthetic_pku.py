"""Synthetic PKU-MMD files, written from the description of the dataset, independently of the reader."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np


def recording(frames: int, seed: int = 0, alone: float = 0.3) -> np.ndarray:
    """(frames, 2, 25, 3) metres with six decimals; body B is absent (zeros) in about `alone` of the frames."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(-1.0, 3.3, (frames, 2, 25, 3)).round(6)
    joints[rng.uniform(size=frames) < alone, 1] = 0
    return joints


def skeleton_text(joints: np.ndarray, line_end: str = "\n") -> bytes:
    lines = [" ".join(f"{value:.6f}" for value in frame.ravel()) for frame in joints]
    return "".join(line + line_end for line in lines).encode()


def label_text(rows: list[tuple[int, int, int, int]], line_end: str = "\n") -> bytes:
    return "".join(",".join(map(str, row)) + line_end for row in rows).encode()


def write(root: Path, files: dict[str, bytes], packed: bool = False) -> Path:
    """Write files by their relative paths; with `packed`, each top folder becomes a zip."""
    for name, data in files.items():
        top, _, rest = name.partition("/")
        if packed:
            root.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(root / f"{top}.zip", "a", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(name, data)
        else:
            (root / top / rest).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
    return root
