"""Learner: the contract of everything that is trained. A loader's Episode or Batch goes in, a loss comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.fit import declared, fitting


@dataclass(frozen=True)
class Known:
    """What a learner may know before it sees data; nothing about novel classes, but for `class_text`.

    `classes` are the names of the base classes, in the order of `Batch.label`. `target_width` is D of `Batch.target`
    (0: no targets). `text` (N, D) are text vectors of the base classes' names, for a learner with `uses_names`.
    `frames` is T of every clip, for a learner with weights for every frame (see `Backbone.map_frames`). `streams` are
    those along the channels of every clip, for a learner that mirrors, turns or augments clips.
    `class_text` are text vectors of the names of ALL classes of the store, row by label, novel ones included: only for
    a method with `uses_novel_names`.
    """

    layout: Layout | None = None
    classes: tuple[str, ...] = ()
    target_width: int = 0
    text: Float[Tensor, "N D"] | None = None
    frames: int = 0
    class_text: Float[Tensor, "_ D"] | None = None
    streams: tuple[str, ...] = ("joint",)


@dataclass(frozen=True)
class Losses:
    """The numbers of one training step: `total` is the sum of `parts`, whose weights are included.

    `accuracy` is the share of correct answers in this step and `scores` are the answers; None where there are none.
    """

    total: Float[Tensor, ""]
    parts: dict[str, Tensor]
    accuracy: Float[Tensor, ""] | None = None
    scores: Float[Tensor, "B Q N"] | None = None


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that the optimiser trains at `lr_multiplier` times the recipe's learning rate."""

    parameters: Sequence[nn.Parameter]
    lr_multiplier: float = 1.0


class Learner(nn.Module):
    """A backbone and a loss. A subclass writes `losses`; parameters without requires_grad are not trained.

    A learner that sets `uses_names` is given text vectors of the base classes' names in `known.text`.
    """

    uses_names = False

    def __init__(self, backbone: Backbone, options: Any, known: Known = Known()) -> None:
        super().__init__()
        self.backbone = backbone
        self.options = options
        self.known = known
        self._check_maps()

    def _check_maps(self) -> None:
        """Raise ShapeError where maps of the backbone lack joints or frames that the options declare as needed."""
        options, layout, frames = self.options, self.known.layout, self.known.frames
        mine, its = (type(part).__module__.rpartition(".")[2] for part in (self, self.backbone))
        joints, least = self.backbone.map_joints, declared(options, "needs_frames", 1)
        if declared(options, "needs_joints", False) and layout and joints != len(layout.joints):
            raise ShapeError(
                f"{mine} needs maps of the {len(layout.joints)} joints of layout `{layout.name}`, but those of {its} "
                f"have {joints}. Set backbone.name to one of: {', '.join(fitting(options))}."
            )
        if least > 1 and frames and (found := self.backbone.map_frames(frames)) < least:
            raise ShapeError(
                f"{mine} needs maps of at least {least} frames, but those of {its} have {found} for clips of {frames}. "
                f"Set a larger data.frames, or backbone.name to one that keeps frames: {', '.join(fitting(options))}."
            )

    def losses(self, served: Any) -> Losses:
        """The loss on one step's Episode or Batch."""
        raise TypeError(f"{type(self).__module__} is a learner without `losses`; write that method.")

    def after_step(self, share: float) -> None:
        """Called after every step of the optimiser with the share of training done, 0..1: moving averages, queues."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """What the optimiser trains; by default all trainable parameters at the recipe's learning rate."""
        return [ParameterGroup([parameter for parameter in self.parameters() if parameter.requires_grad])]


def total_of(parts: dict[str, Tensor]) -> Float[Tensor, ""]:
    """The sum of the parts of a loss.

    >>> import torch
    >>> total_of({"cross_entropy": torch.tensor(2.0), "rank": torch.tensor(-0.5)}).item()
    1.5
    """
    import torch

    return torch.stack(list(parts.values())).sum()
