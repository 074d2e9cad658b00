"""`make growth` in miniature: what it measures and that it draws."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import growth, growth_figures


@pytest.mark.slow
def test_peak_is_the_most_that_tensors_take_at_once() -> None:
    def work() -> None:
        for size in (1000, 3000, 2000):
            kept = torch.ones(size)
            kept = kept.sum()

    assert 12_000 <= growth.peak(work) <= 12_300


@pytest.mark.slow
def test_a_step_has_a_cost() -> None:
    small, large = (growth.step_cost(growth.Point("dastm", "tcn", "Q", size)) for size in (1, 8))
    assert small.seconds > 0
    assert large.memory > 2 * small.memory


@pytest.mark.slow
def test_every_line_is_drawn(tmp_path: Path) -> None:
    lines = [
        growth_figures.Line(what, axis, method, backbone, sizes, [float(size) for size in sizes], 1.0)
        for what in growth_figures.QUANTITIES
        for axis, sizes in growth.RANGES.items()
        for method in growth.METHODS
        for backbone in growth.BACKBONES
    ]
    growth_figures.draw_steps(lines, tmp_path / "steps.png", growth.BASE)
    growth_figures.draw_build([100, 200, 400], [1.0, 2.0, 4.0], 0.0, 0.01, 1.0, tmp_path / "build.png", 80)
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("steps.png", "build.png"))


def test_clips_of_a_build_have_names_of_their_own() -> None:
    assert len({growth.clip_name(clip) for clip in range(max(growth.CLIPS))}) == max(growth.CLIPS)
