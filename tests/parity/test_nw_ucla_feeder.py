"""The recipe `ctrgcn` for NW-UCLA against the numbers of CTR-GCN's own feeder at test time."""

from __future__ import annotations

import hashlib

import numpy as np
import orjson
from helpers.real_ntu import golden, stats
from helpers.shared import shared

from manifests.facts import dataset, layout
from prep.formats import FindRequest
from prep.preprocessing.moved import Moved
from prep.preprocessing.pipeline import apply, pipeline, run_steps
from prep.readers.nw_ucla import find, read
from prep.untrusted.files import load_bytes

FACTS = dataset("nw_ucla")
FRAMES = 52


def streams(joints: np.ndarray) -> dict[str, np.ndarray]:
    """(L, 1, 20, 3) to their (3, 52, 20, 1): joints, bones (child minus parent) and velocity, all after sampling."""
    joint = joints[np.linspace(0, len(joints) - 1, FRAMES).astype(int)].transpose(3, 0, 2, 1)
    bone, motion = np.zeros_like(joint), np.zeros_like(joint)
    for child, parent in layout("kinect20").bones:
        bone[:, :, child] = joint[:, :, child] - joint[:, :, parent]
    motion[:, :-1] = joint[:, 1:] - joint[:, :-1]
    return {"joint": joint, "bone": bone, "motion": motion}


def test_ten_clips_in_float64_and_through_the_recipe() -> None:
    facts, arrays = golden("nw_ucla_feeder")
    sources = {source.name: source for source in find(FindRequest(shared("data/nw_ucla.zip"), FACTS)).sources}
    assert len(facts["clips"]) == 10
    for name, about in facts["clips"].items():
        data = load_bytes(sources[name])
        assert hashlib.sha256(data).hexdigest() == about["sha256"]
        recording = read(sources[name], data, FACTS)
        assert (recording.frames, recording.label) == (about["frames"], about["label_zero_based"])

        exact = np.array(orjson.loads(data)["skeletons"])[:, None]
        sequence = pipeline("ctrgcn").steps("kinect20")[1:]
        exact = run_steps(sequence, Moved.start(exact), layout("kinect20")).joints
        clip = apply(pipeline("ctrgcn"), recording, layout("kinect20")).joints
        np.testing.assert_allclose(
            streams(exact)["joint"][:, 0, :, 0], arrays[f"{name}|joint_frame0"], rtol=0, atol=1e-9
        )
        for joints, atol in ((exact, 1e-9), (clip, 3e-6)):
            for stream, found in streams(joints).items():
                assert list(found.shape) == about["shape"]
                # The sub-samples were rounded to float32 when they were stored.
                sub = found.reshape(-1)[::7].astype(np.float32)
                np.testing.assert_allclose(sub, arrays[f"{name}|{stream}_sub"], rtol=1.2e-7, atol=atol)
                np.testing.assert_allclose(stats(found), arrays[f"{name}|{stream}_stats"], rtol=100 * atol, atol=atol)
