"""BYOL's loss and its gradient against a published implementation."""

from __future__ import annotations

import pytest
import torch
from helpers.fill import error, golden

from zoo.parts.projector import cosine_loss


@pytest.mark.parametrize(("precision", "dtype", "limit"), [("f64", torch.float64, 1e-10), ("f32", torch.float32, 1e-6)])
def test_loss_and_gradient(precision: str, dtype: torch.dtype, limit: float) -> None:
    arrays, _ = golden("byol")
    online = torch.from_numpy(arrays["x"]).to(dtype).requires_grad_()
    target = torch.from_numpy(arrays["y"]).to(dtype).requires_grad_()
    loss = cosine_loss(online, target)
    loss.mean().backward()
    assert target.grad is None
    assert online.grad is not None
    assert error(loss, arrays[f"byol_loss_{precision}"]) < limit
    assert error(online.grad, arrays[f"byol_grad_mean_{precision}"]) < limit
