"""Normalisation of the input with statistics for every body slot, as 2s-AGCN, MS-G3D and CTR-GCN have it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SlotNorm(nn.BatchNorm1d):
    """Batch normalisation of clips with statistics for every slot, joint and channel (M*V*C of them).

    Once it is trained, the order of bodies matters.
    """

    def __init__(self, bodies: int, joints: int, channels: int) -> None:
        super().__init__(bodies * joints * channels)

    def forward(  # type: ignore[override]
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """In training, each slot by the statistics of the bodies with True in `counted`; of all where it is None."""
        if counted is None or not self.training:
            frames = clips.transpose(1, 2)
            return super().forward(frames.flatten(0, 1).flatten(1)).view_as(frames).transpose(1, 2)
        self.get_buffer("num_batches_tracked").add_(1)
        slots = [self._slot(clips[:, slot], slot, rows) for slot, rows in enumerate(counted.unbind(1))]
        return torch.stack(slots, dim=1)

    def _slot(
        self, bodies: Float[Tensor, "X T V C"], slot: int, counted: Bool[Tensor, "X"]
    ) -> Float[Tensor, "X T V C"]:
        """The bodies of one slot, those that are not counted unchanged."""
        chosen = bodies[counted]
        if not len(chosen):
            return bodies
        numbers = chosen[0, 0].numel()
        part = slice(slot * numbers, (slot + 1) * numbers)
        assert self.momentum is not None
        normalised = F.batch_norm(
            chosen.flatten(0, 1).flatten(1),
            self.get_buffer("running_mean")[part],
            self.get_buffer("running_var")[part],
            self.weight[part],
            self.bias[part],
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
        return bodies.index_put((counted,), normalised.view_as(chosen).to(bodies.dtype))
