"""AimCLR (Guo et al., AAAI 2022): extreme augmentation and energy-based attention drop for contrastive learning.

A normally augmented clip finds its momentum key among the keys of a queue; the similarities of an extremely augmented
view, with and without attention drop, to all these keys follow those of the normal view. Read in the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, positive
from zoo.learner import Known, Losses, total_of
from zoo.parts.attention_drop import LEAST, attention_drop
from zoo.parts.moving_average import frozen_copy, update_average
from zoo.parts.skeleton_augment import SkeletonAugment
from zoo.pretrain._stage import Stage, pooled

NEVER = -1e9
"""The similarity of a place of the queue that is not in use: its probability is exactly 0."""


@dataclass(frozen=True)
class Options:
    """What a recipe may change; the defaults are the authors' settings.

    `width` of the compared features; `momentum` of the key encoder; `temperature` of the similarities; `keep`, the
    attention from which attention drop leaves out; from the share `mining_from` of training on, the `neighbours`
    nearest keys of each of the three views count as positives too (the authors: epoch 150 of 300, one neighbour).
    `queue` is how many keys the queue has at most. CHOICE: it never has more than the share `queue_share` of all clips
    that training goes through (clips times epochs), and at least one batch. On a small dataset, a longer queue would
    hold keys of the batch's own clips, of earlier epochs, as negatives. The authors' queue is 0.0027 of their training.
    """

    width: int = 128
    queue: int = 32_768
    queue_share: float = 0.0027
    momentum: float = 0.999
    temperature: float = 0.07
    keep: float = 0.7
    mining_from: float = 0.5
    neighbours: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "width", "queue", "neighbours")
        positive(self, "temperature")
        for name in ("queue_share", "momentum", "mining_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0..1")
        if self.neighbours > self.queue:
            raise ValueError(
                f"neighbours is {self.neighbours}; the queue has {self.queue} keys, so it must not be more"
            )
        if not self.keep > LEAST:
            raise ValueError(f"keep is {self.keep}; attention is at least {LEAST:.4f}, so it must be more than that")


class Model(Stage):
    """Query encoder (backbone and two-layer head), its momentum key encoder, and a queue of keys.

    CHOICE: attention drop acts on the map of a clip, the mean over its bodies, since backbones of other kinds than
    graph convolutions have no map of one body; the authors drop for each body. For a backbone whose map has one frame
    and one joint it drops nothing. In evaluation nothing is augmented and the queue stays as it is.
    Where a step adds up the gradients of several batches, they share the places of one batch in the queue: a place
    holds the direction of the mean of their keys.
    """

    options: Options
    least_clips = 2
    queue: Float[Tensor, "_ D"]
    length: Int[Tensor, ""]
    place: Int[Tensor, ""]
    served: Int[Tensor, ""]
    mining: Float[Tensor, ""]

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        assert known.layout is not None
        self.augment = SkeletonAugment(known.layout, known.streams)
        self.head = nn.Sequential(
            nn.Linear(backbone.width, backbone.width), nn.ReLU(), nn.Linear(backbone.width, options.width)
        )
        self.target_backbone, self.target_head = frozen_copy(backbone), frozen_copy(self.head)
        self.register_buffer("queue", F.normalize(torch.randn(options.queue, options.width), dim=-1))
        self.register_buffer("length", torch.tensor(options.queue))
        self.register_buffer("place", torch.tensor(0))
        self.register_buffer("served", torch.tensor(0))
        self.rows = 0
        self.register_buffer("mining", torch.tensor(float(options.mining_from <= 0)))

    def losses(self, batch: Batch) -> Losses:
        """InfoNCE of the normal view, and the mean of the two distribution losses (DDM) of the extreme view."""
        clips = batch.clips[:, 0]
        if not self.training:
            parts = self.parts(self.scores(clips, clips, clips))
        else:
            extreme = self.augment.extreme(clips)
            parts = self.parts(self.scores(extreme, self.augment.normal(clips), self.augment.normal(clips)))
        return Losses(total_of(parts), parts)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> tuple[Float[Tensor, "X D"], Float[Tensor, "X D"]]:
        """Pooled features of clips, and the same after attention drop."""
        maps = self.backbone(clips)
        return pooled(maps), pooled(attention_drop(maps, self.options.keep))

    def key_features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X D"]:
        """Pooled features of clips by the key encoder."""
        return pooled(self.target_backbone(clips))

    def scores(
        self,
        extreme: Float[Tensor, "X M T V C"],
        normal: Float[Tensor, "X M T V C"],
        other: Float[Tensor, "X M T V C"],
    ) -> list[Float[Tensor, "X _"]]:
        """Similarities of the normal view, the extreme view and the extreme view after attention drop to all keys.

        Column 0 is the clip's own key, that of `other`; the rest is the queue, which `other` joins in training.
        """
        with torch.no_grad():
            keys = _unit(self.target_head, self.key_features(other))
        queue = self.queue.clone()
        unused = torch.arange(len(queue), device=queue.device) >= self.length
        views = (self.features(normal)[0], *self.features(extreme))
        units = [_unit(self.head, view) for view in views]
        if self.training:
            self._enqueue(keys)
        return [similarities(unit, keys, queue, unused, self.options.temperature) for unit in units]

    def parts(self, scores: list[Float[Tensor, "X _"]]) -> dict[str, Tensor]:
        """The parts of the loss, from what `scores` gives."""
        normal, extreme, dropped = scores
        ddm = (distribution_loss(extreme, normal) + distribution_loss(dropped, normal)) / 2
        return {"info_nce": info_nce(normal, self.positives(scores)), "ddm": ddm}

    def positives(self, scores: list[Float[Tensor, "X _"]]) -> Float[Tensor, "X _"]:
        """1 for a clip's own key and, once mining is on, for the keys nearest to each of its views; 0 elsewhere."""
        mask = torch.zeros_like(scores[0])
        for score in scores:
            nearest = score[:, 1:].topk(self.options.neighbours, dim=1).indices + 1
            mask.scatter_(1, nearest, 1)
        mask = mask * self.mining * (scores[0] > NEVER)
        return torch.cat((torch.ones_like(mask[:, :1]), mask[:, 1:]), dim=1)

    def after_step(self, share: float) -> None:
        """Move the key encoder towards the query encoder, fit the queue's length to the training, switch mining on."""
        update_average(self.target_backbone, self.backbone, self.options.momentum)
        update_average(self.target_head, self.head, self.options.momentum)
        self.queue.copy_(F.normalize(self.queue, dim=-1))
        self.served.add_(self.rows)
        self.place.copy_((self.place + self.rows) % self.length)
        # Clips served over the share of training done: all clips that training goes through.
        longest = (self.served / share * self.options.queue_share).round().long()
        self.length.copy_(longest.clamp(min=self.rows, max=len(self.queue)))
        if share >= self.options.mining_from:
            self.mining.fill_(1)

    def _enqueue(self, keys: Float[Tensor, "X D"]) -> None:
        """Overwrite the oldest keys. Counters move in `after_step`, so batches of one step share their places."""
        keys = keys[: len(self.queue)].to(self.queue.dtype)
        self.rows = len(keys)
        rows = (self.place + torch.arange(self.rows, device=keys.device)) % self.length
        self.queue.index_copy_(0, rows, keys)


def _unit(head: nn.Module, features: Float[Tensor, "X D"]) -> Float[Tensor, "X _"]:
    """The head's output in unit length, at full precision."""
    with torch.autocast(features.device.type, enabled=False):
        return F.normalize(head(features.to(next(head.parameters()).dtype)), dim=-1)


def similarities(
    features: Float[Tensor, "X D"],
    keys: Float[Tensor, "X D"],
    queue: Float[Tensor, "_ D"],
    unused: Bool[Tensor, "_"],
    temperature: float,
) -> Float[Tensor, "X _"]:
    """Similarity of each feature to its own key, column 0, and to the keys of the queue; NEVER for `unused` ones.

    All are of unit length, and the similarity is their cosine over `temperature`.

    >>> features, keys = torch.tensor([[0.6, 0.8]]), torch.tensor([[0.0, 1.0]])
    >>> similarities(features, keys, torch.eye(2), torch.tensor([False, True]), 0.5).mul(10).round().tolist()
    [[16.0, 12.0, -10000000000.0]]
    """
    with torch.autocast(features.device.type, enabled=False):
        own = (features * keys).sum(-1, keepdim=True) / temperature
        return torch.cat((own, (features @ queue.T / temperature).masked_fill(unused, NEVER)), dim=1)


def info_nce(scores: Float[Tensor, "X _"], positives: Float[Tensor, "X _"]) -> Float[Tensor, ""]:
    """Minus the mean log-probability of the positives of a clip; with one positive the usual InfoNCE.

    >>> info_nce(torch.zeros(1, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0]])).exp().item()
    4.0
    """
    return -((F.log_softmax(scores, dim=1) * positives).sum(1) / positives.sum(1)).mean()


def distribution_loss(scores: Float[Tensor, "X _"], target: Float[Tensor, "X _"]) -> Float[Tensor, ""]:
    """Cross-entropy of the distribution over keys with that of `target`, which gets no gradient (DDM, eq. 5-6).

    >>> distribution_loss(torch.zeros(1, 4), torch.tensor([[9.0, 0.0, 0.0, 9.0]])).exp().round().item()
    4.0
    """
    return F.cross_entropy(scores, target.detach().softmax(dim=1))
