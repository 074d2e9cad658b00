"""PAINet's spatial attention (Liu et al., ICCV 2023, eq. 2-4): joints across two skeletons, or within one.

As in DASTM, the attention of one skeleton's joints to the other's multiplies the skeleton's OWN values. A feed-forward
network follows, then the mean over joints, which leaves one vector for every frame. Three identities make that cheap,
and change nothing but rounding:

- a linear map of an attention's sum is the attention's sum of mapped values, since its rows sum to one: the first layer
  of the feed-forward network acts on frames, not on pairs of frames;
- its last layer and the residual commute with the mean over joints;
- keys and queries depend on one skeleton only.

A map of one joint has nothing to attend to: what would compare joints does not exist there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.parts.activation import in_chunks
from zoo.parts.topology import JointPart, JointSemantic, PartMatrix


class Relations:
    """Makes the relations of an attention over the joints of `layout`: which of them, and by which part matrix."""

    def __init__(self, layout: Layout, part: bool, semantic: bool, reading: PartMatrix) -> None:
        self.layout, self.part, self.semantic, self.reading = layout, part, semantic, reading

    def joint_part(self, width: int) -> JointPart | None:
        """The joint-part relation, or None where it is left out."""
        return JointPart(width, self.layout, self.reading) if self.part else None

    def joint_semantic(self) -> JointSemantic | None:
        """The joint-semantic relation, or None where it is left out."""
        return JointSemantic(self.layout) if self.semantic else None


class JointFeedForward(nn.Module):
    """x + W3 relu(W2 relu(W1 x)) for every joint, then the mean over joints.

    The paper has "three-layer joint-wise convolution". CHOICE, after STRM (Thatipelli et al., CVPR 2022), which it
    follows: 1x1 layers D -> D/2 -> D/2 -> D with ReLU between them, and a residual.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(1, width // 2)
        self.first = nn.Linear(width, narrow)
        self.second = nn.Linear(narrow, narrow)
        self.third = nn.Linear(narrow, width)

    def forward(self, joints: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch D"]:
        """The frame's vector of joints that are attended already."""
        return joints.mean(-2) + self.third(self._hidden(self.first(joints)).mean(-2))

    def attended(
        self,
        attention: Float[Tensor, "*batch V N L"],
        values: Float[Tensor, "*batch L D"],
        narrow: Float[Tensor, "*batch L C"],
    ) -> Float[Tensor, "*batch N D"]:
        """The same of attention @ values, for N attentions over the same values; `narrow` is `first(values)`."""
        hidden = self._hidden(attention.flatten(-3, -2) @ narrow).unflatten(-2, attention.shape[-3:-1]).mean(-3)
        return attention.mean(-3) @ values + self.third(hidden)

    def _hidden(self, narrow: Float[Tensor, "*batch _ C"]) -> Float[Tensor, "*batch _ C"]:
        # In place: both are results that nothing else reads, and the largest arrays of all. The second is made from a
        # table of rows, since a linear map of more axes would be a view, whose gradient in place costs two copies.
        rows = F.relu(narrow, inplace=True).flatten(0, -2)
        return F.relu(self.second(rows), inplace=True).view_as(narrow)


class CrossSide(nn.Module):
    """What one side of the cross attention learns: W1 (own joints), W2 (the other's), W3 (values), E and an FFN."""

    def __init__(self, width: int, relations: Relations | None) -> None:
        super().__init__()
        self.own = self.other = self.semantic = None
        if relations is not None:
            self.own = nn.Linear(width, width, bias=False)
            self.other = nn.Linear(width, width, bias=False)
            self.semantic = relations.joint_semantic()
        self.value = nn.Linear(width, width, bias=False)
        self.refine = JointFeedForward(width)

    def attention(
        self, own: Float[Tensor, "B T Q V D"], other: Float[Tensor, "B T N V D"]
    ) -> Float[Tensor, "B T Q V N V"]:
        """softmax(own other^T / root(D) + E) of every own frame with every other frame of the same index."""
        scores = own.flatten(2, 3) @ other.flatten(2, 3).mT * own.shape[-1] ** -0.5
        scores = scores.unflatten(3, other.shape[2:4]).unflatten(2, own.shape[2:4])
        return (scores if self.semantic is None else scores + self.semantic()[:, None]).softmax(-1)


class CrossAttention(nn.Module):
    """Spatial cross attention (eq. 2) of every query with every support clip, frame by frame of the same index.

    `relations` None is for maps of one joint, where each vector depends on its own clip alone.
    CHOICE: one joint-part relation for both sides; the adjacency's bias is learnt for each side.
    """

    def __init__(self, width: int, relations: Relations | None) -> None:
        super().__init__()
        self.query, self.support = CrossSide(width, relations), CrossSide(width, relations)
        self.part = None if relations is None else relations.joint_part(width)

    def forward(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"]
    ) -> tuple[Float[Tensor, "B Q N T D"], Float[Tensor, "B Q N T D"]]:
        """The frames of every query as every support clip changes them, and those of the support clip.

        Computed for a few queries at a time, in float32 or better.
        """
        Q, N = query.shape[1], support.shape[1]
        if self.query.own is None or self.support.own is None:
            of_query, of_support = (
                side.refine(side.value(maps)) for side, maps in ((self.query, query), (self.support, support))
            )
            return of_query[:, :, None].expand(-1, -1, N, -1, -1), of_support[:, None].expand(-1, Q, -1, -1, -1)
        first = self._projected(query, self.query, self.support)
        # Frames first, once for all chunks of queries.
        second = tuple(part.transpose(1, 2).contiguous() for part in self._projected(support, self.support, self.query))
        # For every pair of frames some V x D numbers beside the V x V tables: chunks are a quarter of those of tables.
        both = in_chunks(lambda *part: self._pairs(part[:4], part[4:]), first, second, 4 * N * query.shape[2])
        of_query, of_support = both.chunk(2, dim=-1)
        return of_query, of_support

    def _projected(self, maps: Tensor, side: CrossSide, facing: CrossSide) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What of a frame depends on its own clip: W1 F, the key for the other side, values, and narrow values."""
        assert side.own is not None
        assert facing.other is not None
        key, value = facing.other(maps), side.value(maps)
        if self.part is not None:
            key = key + self.part(maps)
        return side.own(maps), key, value, side.refine.first(value)

    def _pairs(self, of_query: tuple[Tensor, ...], of_support: tuple[Tensor, ...]) -> Float[Tensor, "B Q N T _"]:
        """Frames of queries and of supports, side by side along the channels."""
        first = [part.transpose(1, 2) for part in of_query]
        query = _one_way(self.query, first, of_support[1])
        support = _one_way(self.support, of_support, first[1])
        return torch.cat([query, support.transpose(2, 3)], dim=-1).permute(0, 2, 3, 1, 4)

    @torch.no_grad()
    def attention(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"]
    ) -> Float[Tensor, "B Q N T V V"] | None:
        """The attention of every query's joints to every support clip's; None for maps of one joint."""
        if self.query.own is None:
            return None
        own, (_, other, *_) = self.query.own(query), self._projected(support, self.support, self.query)
        return self.query.attention(own.transpose(1, 2), other.transpose(1, 2)).permute(0, 2, 4, 1, 3, 5)


def _one_way(side: CrossSide, own: Sequence[Tensor], key: Float[Tensor, "B T N V D"]) -> Float[Tensor, "B T Q N D"]:
    """One side's frames as the other side's clips change them: `own` is W1 F, key, values and narrow values."""
    attention = side.attention(own[0], key)
    return side.refine.attended(attention, own[2], own[3])


class SelfAttention(nn.Module):
    """Spatial self attention (eq. 3-4): one vector for every frame from its own joints. `relations` None: one joint.

    `mask_ratio` of the joints that are attended to are left out, drawn anew for every frame in training (Table 3, "Mask
    Self-Att"). With `window` frames, joints attend to those of all frames around their own ("ST Self-Att"), and frames
    beyond the ends are left out.
    """

    def __init__(self, width: int, relations: Relations | None, mask_ratio: float = 0.0, window: int = 1) -> None:
        super().__init__()
        self.own = self.other = self.part = self.semantic = None
        if relations is not None:
            self.own = nn.Linear(width, width, bias=False)
            self.other = nn.Linear(width, width, bias=False)
            self.part, self.semantic = relations.joint_part(width), relations.joint_semantic()
        self.value = nn.Linear(width, width, bias=False)
        self.refine = JointFeedForward(width)
        self.mask_ratio, self.window = mask_ratio, window

    def forward(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T D"]:
        """Frame vectors, each clip for itself."""
        values = self.value(maps)
        if self.own is None and self.window == 1:
            return self.refine(values)
        values = around(values, self.window)
        attention = self.attention(maps) if self.own is not None else self._alone(maps)
        return self.refine.attended(attention.unsqueeze(-2), values, self.refine.first(values)).squeeze(-2)

    def attention(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T V _"]:
        """softmax(W1 F (W2 F + F_part)^T / root(D) + E), over the joints of `window` frames."""
        assert self.own is not None
        assert self.other is not None
        key = self.other(maps) if self.part is None else self.other(maps) + self.part(maps)
        scores = self.own(maps) @ around(key, self.window).mT * maps.shape[-1] ** -0.5
        if self.semantic is not None:
            scores = scores + self.semantic().repeat(1, self.window)
        return scores.masked_fill(self._left_out(scores), -1e4).softmax(-1)

    def _alone(self, maps: Tensor) -> Tensor:
        """Equal attention to one joint in each frame of the window."""
        scores = maps.new_zeros(*maps.shape[:-1], self.window)
        return scores.masked_fill(self._left_out(scores), -1e4).softmax(-1)

    def _left_out(self, scores: Float[Tensor, "*batch T V _"]) -> Tensor:
        """True where a joint of a frame is not attended to; the mask is the same for all joints that attend."""
        frames, columns = scores.shape[-3], scores.shape[-1]
        frame = torch.arange(frames, device=scores.device)[:, None] + torch.arange(
            self.window, device=scores.device
        ).sub(self.window // 2)
        outside = ((frame < 0) | (frame >= frames)).repeat_interleave(columns // self.window, dim=1)[:, None]
        if not (self.training and self.mask_ratio):
            return outside
        drawn = torch.rand(*scores.shape[:-2], 1, columns, device=scores.device) < self.mask_ratio
        return outside | drawn


class ChannelSpecificAttention(nn.Module):
    """Table 3, "Channel-specific Att": an attention of joints to joints for every channel, as in CTR-GCN.

    CHOICE: the scores of channel c are c of W tanh(m1[v] - m2[w]), with m1 and m2 the means over frames of two narrow
    maps (Chen et al., ICCV 2021, eq. 4-6), then a softmax over the joints w.
    """

    def __init__(self, width: int, relations: Relations | None) -> None:
        super().__init__()
        self.pair = self.spread = self.semantic = None
        if relations is not None:
            narrow = max(1, width // 8)
            self.pair = nn.Linear(width, 2 * narrow)
            self.spread = nn.Linear(narrow, width, bias=False)
            self.semantic = relations.joint_semantic()
        self.value = nn.Linear(width, width, bias=False)
        self.refine = JointFeedForward(width)

    def forward(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T D"]:
        """Frame vectors, each clip for itself."""
        values = self.value(maps)
        if self.pair is None:
            return self.refine(values)
        return self.refine(torch.einsum("...vwd,...twd->...tvd", self.attention(maps), values))

    def attention(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch V V D"]:
        """One attention for every channel, the same in all frames."""
        assert self.pair is not None
        assert self.spread is not None
        first, second = self.pair(maps.mean(-3)).chunk(2, dim=-1)
        scores = self.spread(torch.tanh(first[..., :, None, :] - second[..., None, :, :]))
        if self.semantic is not None:
            scores = scores + self.semantic()[..., None]
        return scores.softmax(-2)


def around(frames: Float[Tensor, "*batch T V D"], window: int) -> Float[Tensor, "*batch T _ D"]:
    """The joints of `window` frames around every frame, frame after frame; zeros beyond the ends.

    >>> around(torch.tensor([1.0, 2.0]).view(2, 1, 1), 3).flatten(1).tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]]
    """
    if window == 1:
        return frames
    padded = F.pad(frames, (0, 0, 0, 0, window // 2, window // 2))
    return torch.cat([padded.narrow(-3, start, frames.shape[-3]) for start in range(window)], dim=-2)
