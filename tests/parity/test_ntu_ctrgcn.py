"""The recipe `ctrgcn` for NTU against the numbers of CTR-GCN's own scripts, on real and on invented files."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers.real_ntu import digest, golden, invented_cases, real_cases, stats

from manifests.facts import layout
from prep.clip import Recording
from prep.preprocessing.bodies import ctrgcn_actors
from prep.preprocessing.pipeline import apply, pipeline

ATOL = 1e-6


def denoised(recording: Recording, columns: int) -> np.ndarray:
    """As their scripts store it: (frames, 75) for one body, (frames, 150) for two."""
    joints = ctrgcn_actors(recording)
    return joints.reshape(len(joints), -1)[:, :columns]


def translated(recording: Recording, columns: int) -> np.ndarray:
    clip = apply(pipeline("ctrgcn"), recording, layout("ntu25"))
    assert not clip.joints.reshape(len(clip.joints), -1)[:, columns:].any()
    return clip.joints.reshape(len(clip.joints), -1)[:, :columns]


def test_real_files() -> None:
    facts, arrays = golden("ntu_ctrgcn_pipeline")
    for key, recording in real_cases(facts):
        about = facts["files"][key]
        for stage, make in (("denoised", denoised), ("translated", translated)):
            found = make(recording, about[f"{stage}_shape"][1])
            assert list(found.shape) == about[f"{stage}_shape"]
            np.testing.assert_allclose(found.reshape(-1)[::23], arrays[f"{key}|{stage}_sub"], rtol=0, atol=ATOL)
            np.testing.assert_allclose(stats(found), arrays[f"{key}|{stage}_stats"], rtol=1e-6, atol=ATOL)
            assert digest(found) == about[f"{stage}_sha256_1e4"]
        np.testing.assert_allclose(found[0], arrays[f"{key}|translated_first_frame"], rtol=0, atol=ATOL)
        np.testing.assert_allclose(found[-1], arrays[f"{key}|translated_last_frame"], rtol=0, atol=ATOL)


def test_invented_files_with_every_trouble() -> None:
    facts, arrays = golden("ntu_synthetic_pipeline")
    cases = invented_cases(facts, arrays)
    assert len(cases) == 11
    for key, recording in cases:
        about: dict[str, Any] = facts["cases"][key]
        bodies = about["ctr_denoised_shape"][1] // 75
        chosen = ctrgcn_actors(recording)
        assert list(denoised(recording, 75 * bodies).shape) == about["ctr_denoised_shape"]
        ends = chosen[:, :bodies, [0, 24]]
        np.testing.assert_allclose(ends, arrays[f"{key}|ctr_denoised_joint0_joint24"], rtol=0, atol=ATOL)
        found = translated(recording, about["ctr_translated_shape"][1])
        assert list(found.shape) == about["ctr_translated_shape"]
        np.testing.assert_allclose(found.reshape(-1)[::29], arrays[f"{key}|ctr_translated_sub"], rtol=0, atol=ATOL)
        np.testing.assert_allclose(stats(found), arrays[f"{key}|ctr_translated_stats"], rtol=1e-6, atol=ATOL)
        assert digest(found) == about["ctr_translated_sha256_1e4"]
        assert digest(denoised(recording, 75 * bodies)) == about["ctr_denoised_sha256_1e4"]
