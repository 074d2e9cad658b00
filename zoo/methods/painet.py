"""PAINet (Liu et al., ICCV 2023): attention between and within skeletons, matched by sets and by tuples of frames.

Two branches. Cross spatial alignment: spatial cross attention (SCA), then a temporal set metric (TSM). Cross temporal
alignment: spatial self attention (SSA), a temporal-channel mixer (TCM), then a temporal cross-attention matcher (TCA).
The rows of the paper's Tables 2-4 are options. No code was published; where the paper is silent, CHOICE says what was
chosen: here, in zoo/parts/topology.py, spatial_attention.py, mixer.py, set_metric.py and tuple_matcher.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import positive, share
from zoo.learner import Known, Losses, total_of
from zoo.methods._method import Method
from zoo.parts.frame_distance import between_all, frame_distance
from zoo.parts.mixer import TemporalChannelMixer
from zoo.parts.set_metric import Metric, cross_reference, set_distance
from zoo.parts.spatial_attention import ChannelSpecificAttention, CrossAttention, Relations, SelfAttention
from zoo.parts.topology import PartMatrix
from zoo.parts.tuple_matcher import TupleMatcher
from zoo.parts.tuples import Unit, nearest_share


@dataclass(frozen=True)
class Options:
    """The modules of Table 2: `sca`, `tsm`, `ssa`, `tca`, and `tcm` in the temporal branch, the spatial one, or both.

    Without `sca` or `ssa` a branch takes the mean of the map over joints. `aggregation` is Table 3's kind of self
    attention: `mask` leaves out `mask_ratio` of the joints in training, `mask_st` also attends to `window` frames (the
    paper gives neither number). `joint_part` and `joint_semantic` are its two relations "within skeleton" (Table 3);
    `cross_relations` switches both in the cross attention. `part_matrix` is the reading of eq. 1. `metric` and `unit`
    are Table 4's set metric and its elements, frames or pairs of frames; `emd_weights` are DeepEMD's, or
    equal ones, with which EMD is the Hungarian distance. `temporal_weight` is lambda of eq. 9, in the loss and in the
    scores; the paper gives no number. `key_width` is d_k of eq. 7; 0 is the width of the map.
    Distances are divided by `temperature`.
    """

    sca: bool = True
    tsm: bool = True
    ssa: bool = True
    tcm: Literal["none", "temporal", "spatial", "both"] = "temporal"
    tca: bool = True
    aggregation: Literal["self", "mask", "mask_st", "channel_specific"] = "self"
    joint_part: bool = True
    joint_semantic: bool = True
    cross_relations: bool = True
    part_matrix: PartMatrix = "pool"
    metric: Metric = "dassm"
    unit: Unit = "pair"
    emd_weights: Literal["cross_reference", "uniform"] = "cross_reference"
    temporal_weight: float = 1.0
    mask_ratio: float = 0.15
    window: int = 3
    key_width: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (self.tsm or self.tca):
            raise ValueError("tsm and tca are both false, so nothing is compared. Set one of them to true")
        needs = {"sca": "tsm", "ssa": "tca"}
        for module, matcher in needs.items():
            if getattr(self, module) and not getattr(self, matcher):
                raise ValueError(f"{module} needs {matcher}, which matches its frames. Set {module} = false")
        missing = [name for name in self.mixed if not getattr(self, {"temporal": "tca", "spatial": "tsm"}[name])]
        if missing:
            raise ValueError(f"tcm is `{self.tcm}`, but there is no {missing[0]} branch. Set tcm to the other, or none")
        if self.aggregation != "self" and not self.ssa:
            raise ValueError(f"aggregation `{self.aggregation}` is a form of ssa. Set ssa = true")
        if self.aggregation == "channel_specific" and self.joint_part:
            raise ValueError("aggregation `channel_specific` has no keys to add a relation to. Set joint_part = false")
        if self.unit == "pair" and self.metric in ("euclidean", "dtw"):
            raise ValueError(f"metric `{self.metric}` follows the order of frames. Set unit = frame")
        if self.unit == "pair" and self.metric == "emd" and self.emd_weights == "cross_reference":
            raise ValueError("DeepEMD's weights are those of frames. Set unit = frame, or emd_weights = uniform")
        positive(self, "temporal_weight", "temperature")
        share(self, "mask_ratio")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window is {self.window}; it must be odd and at least 1")

    @property
    def mixed(self) -> tuple[str, ...]:
        """The branches that have a temporal-channel mixer."""
        both = ("temporal", "spatial")
        return both if self.tcm == "both" else tuple(branch for branch in both if branch == self.tcm)

    @property
    def needs_frames(self) -> int:
        """2 where pairs of frames are compared."""
        return 2 if self.tca or (self.tsm and self.unit == "pair") else 1


class Model(Method):
    """Minus the sum of the distances D (eq. 5) and lambda T (eq. 8) of both branches.

    On a map of one joint, such as that of `tcn`, there is nothing to attend to: relations, keys and queries of the
    spatial attention do not exist, and its values and feed-forward network remain.
    """

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        width = backbone.width
        self.cross: CrossAttention | None = None
        self.within: SelfAttention | ChannelSpecificAttention | None = None
        self.matcher: TupleMatcher | None = None
        if options.sca:
            self.cross = CrossAttention(width, self._relations(options.cross_relations, options.cross_relations))
        if options.ssa:
            self.within = self._self_attention(width)
        frames = backbone.map_frames(known.frames) if options.mixed else 0
        self.mixers = nn.ModuleDict({branch: TemporalChannelMixer(frames, width) for branch in options.mixed})
        if options.tca:
            self.matcher = TupleMatcher(width, options.key_width or width, size=2, squared=False)

    def _relations(self, part: bool, semantic: bool) -> Relations | None:
        if self.backbone.map_joints == 1:
            return None
        if self.known.layout is None:
            raise ValueError("painet needs the layout of the skeleton: give Known(layout)")
        return Relations(self.known.layout, part, semantic, self.options.part_matrix)

    def _self_attention(self, width: int) -> SelfAttention | ChannelSpecificAttention:
        options = self.options
        relations = self._relations(options.joint_part, options.joint_semantic)
        if options.aggregation == "channel_specific":
            return ChannelSpecificAttention(width, relations)
        return SelfAttention(
            width,
            relations,
            mask_ratio=options.mask_ratio if options.aggregation in ("mask", "mask_st") else 0.0,
            window=options.window if options.aggregation == "mask_st" else 1,
        )

    def distances(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> dict[str, Float[Tensor, "B Q N"]]:
        """D of the cross spatial branch and T of the cross temporal branch, divided by the temperature."""
        found = {}
        if self.options.tsm:
            found["spatial"] = self._set_distance(support, query)
        if self.matcher is not None:
            found["temporal"] = self.matcher(self._frames(support), self._frames(query))
        return {branch: distance / self.options.temperature for branch, distance in found.items()}

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Minus the weighted sum of both distances, as at inference (section 3.6)."""
        return self._sum(self.distances(support, query))

    def losses(self, episode: Episode) -> Losses:
        """The cross-entropy of each branch by itself, the temporal one times lambda (eq. 9)."""
        support, query = self.maps(episode)
        answer, found = episode.answer.flatten().long(), self.distances(support, query)
        parts = {
            branch: self._weight(branch) * F.cross_entropy(-distance.flatten(0, 1), answer)
            for branch, distance in found.items()
        }
        scores = self._sum(found)
        accuracy = (scores.detach().argmax(-1) == episode.answer).float().mean()
        return Losses(total_of(parts), parts, accuracy, scores)

    def _weight(self, branch: str) -> float:
        return self.options.temporal_weight if branch == "temporal" else 1.0

    def _sum(self, distances: dict[str, Tensor]) -> Tensor:
        return -torch.stack([self._weight(branch) * distance for branch, distance in distances.items()]).sum(0)

    def _frames(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T D"]:
        """Frame vectors of the cross temporal branch."""
        frames = maps.mean(-2) if self.within is None else self.within(maps)
        return self.mixers["temporal"](frames) if "temporal" in self.mixers else frames

    def _set_distance(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N"]:
        frames, others = self.facing(support, query)
        masses = None
        if self.options.metric == "emd" and self.options.emd_weights == "cross_reference":
            masses = cross_reference(frames.unsqueeze(3), others)
        squared, exact = self._squared(frames, others), not self.training
        return set_distance(squared, self.options.metric, self.options.unit, masses=masses, exact=exact)

    def facing(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> tuple[Float[Tensor, "B Q N T D"], Float[Tensor, "B Q N K T D"]]:
        """Frame vectors of the cross spatial branch: the query's, meant over the K shots of a class, and the shots'."""
        N, K, Q = *support.shape[1:3], query.shape[1]
        if self.cross is None:
            frames = query.mean(-2)[:, :, None].expand(-1, -1, N, -1, -1)
            others = support.mean(-2)[:, None].expand(-1, Q, -1, -1, -1, -1)
        else:
            both = self.cross(query, support.flatten(1, 2))
            frames, others = (part.unflatten(2, (N, K)) for part in both)
        if "spatial" in self.mixers:
            mixer = self.mixers["spatial"]
            frames, others = mixer(frames), mixer(others)
        return (frames if self.cross is None else frames.mean(3)), others

    def _squared(
        self, frames: Float[Tensor, "B Q N T D"], others: Float[Tensor, "B Q N K T D"]
    ) -> Float[Tensor, "B Q N K T T"]:
        """Squared distances of the query's frames from every shot's."""
        if self.cross is None:
            # Neither depends on what it faces.
            squared = between_all(frames[:, :, 0], others[:, 0].flatten(2, 3), "squared_frobenius")
        else:
            squared = frame_distance(frames, others.flatten(3, 4), "squared_frobenius")
        return squared.unflatten(-1, others.shape[3:5]).transpose(-3, -2)

    def adapted(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> tuple[Float[Tensor, "B Q N _"], Float[Tensor, "B Q N _"]]:
        """What the branches make of each query facing each class, and of that class (Fig. 5): frame vectors of both
        branches side by side, meant over frames and shots.
        """
        Q, N, own, other = query.shape[1], support.shape[1], [], []
        if self.options.tsm:
            frames, others = self.facing(support, query)
            own.append(frames.mean(3))
            other.append(others.mean((3, 4)))
        if self.options.tca:
            own.append(self._frames(query).mean(2)[:, :, None].expand(-1, -1, N, -1))
            other.append(self._frames(support).mean((2, 3))[:, None].expand(-1, Q, -1, -1))
        return torch.cat(own, dim=-1), torch.cat(other, dim=-1)

    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """Of every query: `cross_attention` (B, Q, N, T, V, V), from its joints to the support's, meant over shots;
        `self_attention` (B, Q, T, V, V), or of channels (B, Q, V, V, D); `frame_distance` (B, Q, N, K, T, T);
        `tuple_weights` (B, Q, N, P, K, P) over the P pairs of frames. What the options leave out is left out."""
        support, query = self.maps(episode)
        found: dict[str, Tensor | None] = {}
        if self.cross is not None:
            attention = self.cross.attention(query, support.flatten(1, 2))
            found["cross_attention"] = None if attention is None else attention.unflatten(2, support.shape[1:3]).mean(3)
        if self.within is not None and self.backbone.map_joints > 1:
            found["self_attention"] = self.within.attention(query)
        if self.options.tsm:
            squared = self._squared(*self.facing(support, query))
            found["frame_distance"] = squared.clamp(min=0).sqrt()
            if self.options.metric == "dassm":
                found["alignment"] = nearest_share(squared, self.options.unit)
        if self.matcher is not None:
            found["tuple_weights"] = self.matcher.weights(self._frames(support), self._frames(query))
        return {name: value for name, value in found.items() if value is not None}
