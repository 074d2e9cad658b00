"""A store with known faults, for checks to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.stores import clip_name, info, write_clips

from prep.preprocessing import quality


def people(seed: int, frames: int = 30) -> np.ndarray:
    """(frames, 1, 20, 3) of a tall body that sways."""
    rng = np.random.default_rng(seed)
    joints = rng.standard_normal((20, 3)) * [0.1, 0.5, 0.1] + [0, 0, 3]
    return (joints + 0.03 * rng.standard_normal((frames, 1, 20, 3))).astype(np.float32)


def faulty_store(path: Path, preprocessing: str = "raw", **more: object) -> Path:
    """Ten clips with faults.

    The third has a jumping bone, the fourth frozen frames, the seventh copies the sixth, the ninth has one frame, the
    tenth is empty; the build has flagged the second.
    """
    clips = [people(seed) for seed in range(10)]
    clips[2][7, 0, 15] += 8
    clips[3][4:9] = clips[3][4]
    clips[6] = clips[5]
    clips[8] = clips[8][:1]
    clips[9] = clips[9][:0]
    names = [clip_name("nw_ucla", label, 0) for label in range(10)]
    flags = [0, quality.EXTRA_BODIES, *[0] * 8]
    return write_clips(path, info("nw_ucla", preprocessing), names, range(10), clips, quality=flags, **more)
