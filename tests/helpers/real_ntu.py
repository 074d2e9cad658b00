"""The real NTU files that lie beside the project, and the invented ones that the authors' code was run on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from helpers.shared import shared

from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.formats import FindRequest
from prep.readers.ntu import find, read
from prep.untrusted.files import load_bytes


def real_files() -> list[tuple[Recording, bytes]]:
    """Every real file: (Recording, bytes). Skips the test where they are absent."""
    data_set = dataset("ntu120")
    sources = find(FindRequest(shared("data/ntu/nturgb+d_skeletons"), data_set)).sources
    loaded = [(source, load_bytes(source)) for source in sources]
    return [(read(source, data, data_set), data) for source, data in loaded]


def golden(name: str) -> tuple[dict[str, Any], Any]:
    """A golden's json and its arrays. Skips the test where it is absent."""
    return json.loads(shared(f"golden/{name}.json").read_text()), np.load(shared(f"golden/{name}.npz"))


def real_cases(facts: dict[str, Any]) -> list[tuple[str, Recording]]:
    """(key of the golden, recording) of the real files that the golden names, matched by what they hold.

    Two goldens give no digest: they share their keys with ntu_raw_facts.
    """
    raw = json.loads(shared("golden/ntu_raw_facts.json").read_text())
    keys = {fact["sha256"]: path.removesuffix(".skeleton") for path, fact in raw.items()}
    found = [(keys.get(hashlib.sha256(data).hexdigest(), ""), recording) for recording, data in real_files()]
    found = [(key, recording) for key, recording in found if key in facts["files"]]
    if len(found) < 7:
        pytest.fail(f"only {len(found)} of the real files beside the project are those of the golden")
    return found


def invented_cases(facts: dict[str, Any], arrays: Any) -> list[tuple[str, Recording]]:
    """(key of the golden, recording) of ntu_synthetic_pipeline, whose texts are written here by its rule."""
    cases = []
    for key, case in facts["cases"].items():
        data = _text(case, [arrays[f"{key}|xyz{number}"] for number in range(len(case["bodies"]))])
        assert hashlib.sha256(data).hexdigest() == case["sha256_text"]
        name = case["file"].removesuffix(".skeleton")
        cases.append((key, read(Source(name, case["file"], "", len(data), ""), data, dataset("ntu120"))))
    return cases


def _text(case: dict[str, Any], bodies: list[np.ndarray]) -> bytes:
    lines = [str(case["frames"])]
    for frame in range(case["frames"]):
        shown = [(body, joints) for body, joints in zip(case["bodies"], bodies, strict=True) if frame in body["frames"]]
        lines.append(str(len(shown)))
        for body, joints in shown:
            lines += [f"{body['id']} 0 1 1 1 1 0 0.01 0.02 2", "25"]
            for x, y, z in joints[body["frames"].index(frame)] / 1e6:
                pixels = f"200.5 180.5 {1000 + 100 * x:.3f} {500 - 100 * y:.3f}"
                lines.append(f"{x:.6f} {y:.6f} {z:.6f} {pixels} 0.1 0.2 0.3 0.4 2")
    return ("\n".join(lines) + "\n").encode()


def stats(array: np.ndarray) -> list[float]:
    """Mean, standard deviation, L2 norm, least and greatest, as the goldens have them."""
    whole = array.astype(np.float64)
    return [whole.mean(), whole.std(), float(np.linalg.norm(whole)), whole.min(), whole.max()]


def digest(array: np.ndarray) -> str:
    """sha256 of the numbers rounded to four decimals (`sha256_1e4` of the goldens): the whole array, not a sample."""
    whole = np.rint(np.round(array.astype(np.float64), 4) * 1e4).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()
