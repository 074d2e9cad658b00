"""Representation transfer (Cross-Modal Contrastive Pre-training, section IV): skeletons predict stored embeddings.

A skeleton's projection predicts that of the clip's frozen vision-language vector, whose projector is a moving average
of the skeleton's. The paper's two projectors have inputs of different widths, so an average of all their weights is
impossible as stated; `width_mismatch` has three readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one
from zoo.learner import Known, Losses, ParameterGroup
from zoo.parts.moving_average import frozen_copy, update_average
from zoo.parts.projector import cosine_loss, projector
from zoo.pretrain._stage import Stage, Teacher, pooled


@dataclass(frozen=True)
class Options:
    """`teacher`: the clip's video, the name of its class, or the sum of both (f_VL = f_v + f_t).

    `normalise`: unit length for each before the sum (the paper does not say; its vectors have no unit norm). `decay` of
    the moving average as in BYOL; the paper's is 0.99. `predictor_lr` multiplies the learning rate of the predictor;
    `predictor` false leaves it out (an ablation of the paper). `hidden` and `width` are those of the projectors; the
    paper's are 4096 and 256.
    `width_mismatch` says how skeleton features (D of the backbone) and embeddings (D of the store) meet. CHOICE:
    "adapter", a trained linear map of the skeleton's features to the embedding's width, after which all weights can be
    averaged as stated; "fixed", a random linear map of the embedding to the backbone's width, which never changes;
    "partial", the first layer of the embedding's projector keeps its random weights, the others are averaged.
    """

    teacher: Literal["video", "text", "vision_language"] = "vision_language"
    normalise: bool = True
    decay: float = 0.99
    predictor: bool = True
    predictor_lr: float = 10.0
    hidden: int = 4096
    width: int = 256
    width_mismatch: Literal["adapter", "fixed", "partial"] = field(default="adapter", metadata={"before": "adapter"})

    def __post_init__(self) -> None:
        at_least_one(self, "hidden", "width")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; it must be 0..1")


class Model(Stage):
    """Adapter, projector and predictor of the skeleton; a momentum projector of the embedding. Only the backbone is
    kept after training.

    As in BYOL, batch normalisation of the momentum projector normalises by its own batch; only weights are averaged.
    """

    options: Options
    least_clips = 2

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        adapted = options.width_mismatch == "adapter"
        channels = known.target_width if adapted else backbone.width
        self.adapter = nn.Linear(backbone.width, channels) if adapted else nn.Identity()
        self.projector = projector(channels, options.hidden, options.width)
        self.predictor: nn.Module = nn.Identity()
        if options.predictor:
            self.predictor = projector(options.width, options.hidden, options.width)
        self.target_projector = frozen_copy(self.projector)
        self.bridge: nn.Module = nn.Identity()
        if options.width_mismatch == "fixed":
            self.bridge = nn.Linear(known.target_width, channels, bias=False).requires_grad_(False)
        if options.width_mismatch == "partial":
            self.target_projector[0] = nn.Linear(known.target_width, options.hidden).requires_grad_(False)

    @classmethod
    def targets(cls, options: Any, teacher: Teacher) -> tuple[Float[Tensor, "X D"], Bool[Tensor, "X"]]:
        """f_v, f_t or f_v + f_t. Raises LookupError where the store lacks a part."""
        parts = {"video": ["video"], "text": ["text"], "vision_language": ["video", "text"]}[options.teacher]
        vectors = {"video": teacher.video, "text": teacher.text}
        total: Tensor | None = None
        for part in parts:
            vector = vectors[part]
            if vector is None:
                raise LookupError(part)
            vector = F.normalize(vector, dim=-1) if options.normalise else vector
            total = vector if total is None else total + vector
        assert total is not None
        every = torch.ones(len(total), dtype=torch.bool, device=total.device)
        return total, every if teacher.has_video is None or parts == ["text"] else teacher.has_video

    def losses(self, batch: Batch) -> Losses:
        """The mean of 2 - 2 cos."""
        assert batch.target is not None
        online = self.predictor(self.projector(self.adapter(pooled(self.backbone(batch.clips[:, 0])))))
        with torch.no_grad():
            target = self.target_projector(self.bridge(batch.target.to(online.dtype)))
        loss = cosine_loss(online, target).mean()
        return Losses(loss, {"transfer": loss})

    def after_step(self, share: float) -> None:
        """Move the embedding's projector towards the skeleton's; "partial" leaves out its first layer."""
        kept = 1 if self.options.width_mismatch == "partial" else 0
        update_average(self.target_projector[kept:], self.projector[kept:], self.options.decay)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The predictor learns `predictor_lr` times as fast as the rest."""
        predictor = list(self.predictor.parameters())
        ids = {id(parameter) for parameter in predictor}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in ids]
        groups = [ParameterGroup(rest)]
        return [*groups, ParameterGroup(predictor, self.options.predictor_lr)] if predictor else groups
