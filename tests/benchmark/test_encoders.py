"""Clips per second of X-CLIP B/16 with random weights of the real size, on the CPU and, where there is one, a GPU."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import Request


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X-CLIP B/16 for 8 frames, drawn at random and saved to disk."""
    from prep.torchvision_import import ensure_importable

    ensure_importable()
    from transformers import XCLIPConfig, XCLIPModel

    folder = tmp_path_factory.mktemp("xclip")
    config = XCLIPConfig(vision_config={"patch_size": 16, "num_frames": 8})
    XCLIPModel(config).save_pretrained(folder)
    return folder


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("device", "batch", "batches"), [("cpu", 2, 2), pytest.param("cuda", 64, 20, marks=pytest.mark.gpu)]
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_clips_per_second(checkpoint: Path, device: str, batch: int, batches: int, precision: str) -> None:
    from prep.encoders.xclip import load

    xclip = load(Request(facts_of("xclip"), str(checkpoint), device, precision))  # type: ignore[arg-type]
    clips = np.random.default_rng(0).integers(0, 256, (batch, 8, xclip.size, xclip.size, 3), np.uint8)
    xclip.videos(clips)
    begun = time.perf_counter()
    for _ in range(batches):
        vectors = xclip.videos(clips)
    pace = batch * batches / (time.perf_counter() - begun)
    print(f"\nX-CLIP B/16, 8 frames, {device}, {precision}, batches of {batch}: {pace:.2f} clips/s")
    assert np.isfinite(vectors).all()
    assert vectors.shape == (batch, 512)
