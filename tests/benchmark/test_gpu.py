"""The numbers of a GPU: `pytest -m "gpu and benchmark" -s tests/benchmark/test_gpu.py` prints them as a table."""

from __future__ import annotations

from functools import partial

import jaxtyping
import pytest
import torch
from helpers import gpu_numbers
from helpers.gpu_numbers import Sizes, markdown
from helpers.graphs import Recorded

from zoo.engine.capture import captured_unit


@pytest.mark.slow
def test_every_row_is_measured_on_a_cpu_in_miniature() -> None:
    tiny = Sizes(1e-3, 6, 11, 8, (1,), (1, 2), 2, ((3, 4),), backbone="tcn")
    lines = list(markdown(torch.device("cpu"), tiny, partial(captured_unit, graphs=Recorded())))
    assert [line.count("|") for line in lines] == [4] * len(lines)
    rows = [line.split(" | ") for line in lines[2:]]
    assert [row[0].split(",")[0] for row in rows] == [
        *["| serving 5-way 1-shot"] * 2,
        *["| protonet", "| dtw", "| dastm", "| 100 x (1", "| soft-DTW forward and backward"],
    ]
    assert all("steps/s" in cell for row in rows[2:5] for cell in row[1:])


@pytest.mark.gpu
@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_numbers_of_this_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    # Checking shapes in every call would keep the GPU waiting for the host.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    print()
    gpu_numbers.main()
