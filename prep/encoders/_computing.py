"""How a frozen network is run: no gradients, and in the precision that was asked for and no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from prep.encoders._encoder import Precision


@contextmanager
def computing(device: torch.device | str, precision: Precision) -> Iterator[None]:
    """Run what is inside without gradients, in float32 or with matrix products and convolutions in bfloat16.

    In bfloat16 the weights, the sums of residual branches and LayerNorm's statistics stay float32. A model cast as a
    whole also rounds the residual sum to 8 bits after every layer. float32 means it: convolutions on a GPU would take
    TF32, with 10 bits, where nobody says no.
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
    """The same model in evaluation, asking for no gradients, on the device."""
    return model.eval().requires_grad_(False).to(device)
