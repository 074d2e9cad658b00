"""The recipe `agcn` for NTU against the numbers of 2s-AGCN's own scripts, on real and on invented files."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.real_ntu import golden, invented_cases, real_cases, stats

from manifests.facts import layout
from prep.clip import Recording
from prep.preprocessing.bodies import agcn_slots
from prep.preprocessing.moved import Moved
from prep.preprocessing.pipeline import pipeline, run_steps

ATOL = 1e-5
PADDED = 300  # the authors pad before they normalise; a clip of ours keeps its length


def as_theirs(joints: np.ndarray) -> np.ndarray:
    """(L, M, V, C) to (C, L, V, 2)."""
    two = np.zeros((len(joints), 2, *joints.shape[2:]), joints.dtype)
    two[:, : joints.shape[1]] = joints
    return two.transpose(3, 0, 2, 1)


def normalised(recording: Recording) -> np.ndarray:
    chosen = agcn_slots(recording)
    joints = np.zeros((PADDED, *chosen.shape[1:]), np.float32)
    joints[: len(chosen)] = chosen
    return as_theirs(run_steps(pipeline("agcn").steps("ntu25")[1:], Moved.start(joints), layout("ntu25")).joints)


def compare(arrays: np.lib.npyio.NpzFile, key: str, recording: Recording, strides: tuple[int, int]) -> None:
    read = as_theirs(agcn_slots(recording))
    prefix = f"{key}|agcn_" if f"{key}|agcn_read_sub" in arrays else f"{key}|"
    for name, found, stride in (("read", read, strides[0]), ("norm", normalised(recording), strides[1])):
        sub, about = arrays[f"{prefix}{name}_sub"], arrays[f"{prefix}{name}_stats"]
        np.testing.assert_allclose(found.reshape(-1)[::stride], sub, rtol=0, atol=ATOL)
        np.testing.assert_allclose(stats(found), about, rtol=1e-5, atol=ATOL)


def test_real_files() -> None:
    facts, arrays = golden("ntu_agcn_pipeline")
    for key, recording in real_cases(facts):
        assert list(as_theirs(agcn_slots(recording)).shape) == facts["files"][key]["read_shape"]
        compare(arrays, key, recording, (23, 97))
        found = normalised(recording)
        np.testing.assert_allclose(found[:, 0], arrays[f"{key}|norm_frame0"], rtol=0, atol=ATOL)
        np.testing.assert_allclose(found[:, 299], arrays[f"{key}|norm_frame299"], rtol=0, atol=ATOL)


def test_invented_files_with_every_trouble() -> None:
    facts, arrays = golden("ntu_synthetic_pipeline")
    for key, recording in invented_cases(facts, arrays):
        assert list(as_theirs(agcn_slots(recording)).shape) == facts["cases"][key]["agcn_read_shape"]
        compare(arrays, key, recording, (53, 211))


@pytest.mark.parametrize("frames", [1, 40])
def test_padding_changes_nothing_but_the_tail(frames: int) -> None:
    from helpers.synthetic_ntu import person, recording

    from prep.preprocessing.pipeline import apply

    made = recording([[(1, joints)] for joints in person(5, frames)])
    ours = as_theirs(apply(pipeline("agcn"), made, layout("ntu25")).joints)
    np.testing.assert_allclose(ours, normalised(made)[:, :frames], atol=1e-6)
