"""The multi-similarity loss and its miner, as the stage makes them, against frozen numbers of the published library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import error, golden
from torch import Tensor

from zoo.pretrain.metric_learning import Options, make_loss, make_miner

# The settings of the golden numbers.
OPTIONS = Options(alpha=2.0, beta=50.0, base=0.5, epsilon=0.1)
PRECISIONS = [("f64", torch.float64, 1e-9), ("f32", torch.float32, 1e-5)]


def rows(first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    return sorted(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize(("precision", "dtype", "limit"), PRECISIONS)
@pytest.mark.parametrize("mined", [0, 1])
def test_loss_gradient_and_pairs(mined: int, precision: str, dtype: torch.dtype, limit: float) -> None:
    arrays, _ = golden("multi_similarity")
    embeddings = torch.from_numpy(arrays["emb"]).to(dtype).requires_grad_()
    label = torch.from_numpy(arrays["labels"])
    pairs = None
    if mined:
        pairs = make_miner(OPTIONS)(embeddings, label)
        anchor, positives, other, negatives = pairs
        for found, kind in ((rows(anchor, positives), "ap"), (rows(other, negatives), "an")):
            assert found == rows(*torch.from_numpy(arrays[f"ms_pairs_{kind}_{precision}"]))
    loss = make_loss(OPTIONS)(embeddings, label, pairs)
    loss.backward()
    assert embeddings.grad is not None
    assert error(loss, np.asarray(arrays[f"ms_loss_mine{mined}_{precision}"])) < limit
    assert error(embeddings.grad, arrays[f"ms_grad_mine{mined}_{precision}"]) < limit
