"""The recipes `stgcn` and `stgcn_matched` for Kinetics against the numbers of ST-GCN's own feeder."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from helpers.real_ntu import digest, golden, stats
from helpers.shared import shared

from manifests.facts import dataset, layout
from prep.clip import Recording
from prep.formats import FindRequest
from prep.preprocessing import bodies
from prep.preprocessing.moved import Moved
from prep.preprocessing.pipeline import apply, pipeline, run_steps
from prep.readers.kinetics import find, read
from prep.untrusted.files import load_bytes

FACTS = dataset("kinetics")
ROWS = 300


def as_the_feeder(joints: np.ndarray) -> np.ndarray:
    """(L, 2, 18, 3) to its (3, 300, 18, 2): frame 1 lies in row 1, row 0 stays empty."""
    rows = np.zeros((ROWS, *joints.shape[1:]), joints.dtype)
    rows[1 : len(joints) + 1] = joints
    return rows.transpose(3, 0, 2, 1)


def in_float64(recording: Recording, name: str) -> np.ndarray:
    """The steps of a recipe on the numbers as the file has them: three decimals, which float32 rounds."""
    exact = np.round(recording.joints.astype(np.float64), 3)
    first, *rest = pipeline(name).steps("openpose18")
    joints: np.ndarray = getattr(bodies, first.step)(replace(recording, joints=exact), **first.options)
    return run_steps(rest, Moved.start(joints), layout("openpose18")).joints


@pytest.mark.parametrize(("name", "key"), [("stgcn", "pm0"), ("stgcn_matched", "pm1")])
def test_clips_in_float64_and_through_the_recipe(name: str, key: str) -> None:
    facts, arrays = golden("kinetics_feeder")
    sources = {f"{each.name}.json": each for each in find(FindRequest(shared("data/kinetics-skeleton"), FACTS)).sources}
    compared = sorted(facts["clips"].keys() & sources.keys())
    print(f"{len(compared)} of {len(facts['clips'])} clips compared; not beside the project:")
    print(*sorted(facts["clips"].keys() - sources.keys()), sep="\n")
    assert len(compared) >= 5
    for clip in compared:
        about, data = facts["clips"][clip], load_bytes(sources[clip])
        assert hashlib.sha256(data).hexdigest() == about["sha256"]
        recording = read(sources[clip], data, FACTS)
        assert (recording.frames, recording.label) == (about["frames_listed"], about["label_index"])
        assert recording.bodies_per_frame.max() == about["max_persons"]

        exact = as_the_feeder(in_float64(recording, name))
        assert list(exact.shape) == about["shape"]
        np.testing.assert_allclose(exact[:, 50], arrays[f"{clip}|{key}_frame50"], rtol=0, atol=1e-9)
        assert digest(exact) == about[f"sha256_1e4_{key}"]
        for joints, atol in (
            (exact, 1e-9),
            (as_the_feeder(apply(pipeline(name), recording, layout("openpose18")).joints), 1e-6),
        ):
            # The sub-samples were rounded to float32 when they were stored.
            sub = joints.reshape(-1)[::13].astype(np.float32)
            np.testing.assert_allclose(sub, arrays[f"{clip}|{key}_sub"], rtol=1.2e-7, atol=atol)
            np.testing.assert_allclose(stats(joints), arrays[f"{clip}|{key}_stats"], rtol=100 * atol, atol=atol)
