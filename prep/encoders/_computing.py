"""Inference of a frozen network: no gradients, and exactly the chosen precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from prep.encoders._encoder import Precision


@contextmanager
def computing(device: torch.device | str, precision: Precision) -> Iterator[None]:
    """Compute without gradients, in float32 or with matrix products and convolutions in bfloat16.

    In bfloat16 the weights, the sums of residual branches and the statistics of LayerNorm stay float32; a model cast as
    a whole would round the residual sum to 8 bits after every layer. In float32, TF32 (10 bits) is switched off, which
    convolutions on a GPU would use by default.
    """
    import torch

    kind = torch.device(device).type
    with (
        torch.inference_mode(),
        torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bfloat16"),
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=precision == "bfloat16"
        ),
    ):
        yield


def frozen(model: torch.nn.Module, device: torch.device | str) -> torch.nn.Module:
    """The same model on the device, in evaluation mode and without gradients."""
    return model.eval().requires_grad_(False).to(device)
