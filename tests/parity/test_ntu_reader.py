"""The NTU reader against facts taken from real files by an independent parser (ntu_raw_facts.json)."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from helpers.real_ntu import real_files
from helpers.shared import shared


def test_real_files_hold_what_an_independent_parser_found() -> None:
    facts = json.loads(shared("golden/ntu_raw_facts.json").read_text())
    by_digest = {fact["sha256"]: fact for fact in facts.values()}
    matched = 0
    for found, data in real_files():
        fact = by_digest.get(hashlib.sha256(data).hexdigest())
        if fact is None:
            continue
        matched += 1
        assert (len(data), found.frames) == (fact["bytes"], fact["frames"])
        assert found.bodies_per_frame.tolist() == fact["bodies_per_frame"]
        frame = np.repeat(np.arange(found.frames), found.bodies_per_frame)
        assert {str(number) for number in found.body_id.tolist()} == set(fact["body_ids"])
        for identity, about in fact["body_ids"].items():
            seen = frame[found.body_id == int(identity)]
            assert (len(seen), seen[0], seen[-1]) == (about["n_frames"], about["first"], about["last"])
        for key, row in (("first_body0", 0), ("last_body0", int(np.flatnonzero(frame == fact["frames"] - 1)[0]))):
            assert str(found.body_id[row]) == fact[key]["body"]
            assert found.joints[row, 0].tolist() == np.float32(fact[key]["joint0"]).tolist()
            assert found.joints[row, 24].tolist() == np.float32(fact[key]["joint24"]).tolist()
        points = found.joints.reshape(-1, 3).astype(np.float64)
        np.testing.assert_allclose(points.mean(0), fact["xyz_mean"], atol=1e-6)
        np.testing.assert_allclose(points.std(0), fact["xyz_std"], atol=1e-6)
    assert matched == 7
