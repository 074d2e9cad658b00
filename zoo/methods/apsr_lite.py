"""APSR, "lite": body parts weighted by their relevance for the name of an action (Liu et al., "NTU RGB+D 120", TPAMI
2020).

Only the abstract of the paper was public: action-part semantic relevance decides how much each body part counts when a
clip is compared with an exemplar. All else is this project's reading. THE NAMES OF THE NOVEL CLASSES ARE USED. The
paper's relevance compares the name of an action with those of body parts; a store has text vectors of class names only,
so that here the relevance is a linear map of these, trained in episodes of base classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import positive
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.frame_distance import at_least_float32
from zoo.parts.topology import part_matrix


@dataclass(frozen=True)
class Options:
    """The relevance of parts is a softmax over them of a linear map of the name's unit vector, divided by
    `relevance_temperature`. Scores are divided by `temperature`: they are cosines, which want about 0.1.
    """

    needs_joints: ClassVar[bool] = True

    relevance_temperature: float = 1.0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "relevance_temperature", "temperature")


class Model(Method):
    """The cosine of every body part of a query with that of a class, weighted by the relevance for the class's name.

    CHOICES: parts are those of the layout, five for human bodies; the vector of a part is the mean of a map over frames
    and over the part's joints; a class is the mean of its shots' unit vectors; before training all parts count the
    same.
    """

    options: Options
    uses_novel_names = True
    matrix: Float[Tensor, "P V"]

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        layout = known.layout
        if layout is None:
            raise ValueError("apsr_lite needs the layout of the skeleton: give Known(layout).")
        self.relevance = nn.Linear(self.class_text.shape[1], len(layout.parts))
        nn.init.zeros_(self.relevance.weight)
        nn.init.zeros_(self.relevance.bias)
        self.register_buffer("matrix", part_matrix(layout, "pool"), persistent=False)

    def score_named(
        self,
        support: Float[Tensor, "B N K T V D"],
        query: Float[Tensor, "B Q T V D"],
        text: Float[Tensor, "B N _"],
    ) -> Float[Tensor, "B Q N"]:
        """The weighted cosine, divided by the temperature."""
        return self.part_scores(support, query, text).sum(-1)

    def part_scores(
        self,
        support: Float[Tensor, "B N K T V D"],
        query: Float[Tensor, "B Q T V D"],
        text: Float[Tensor, "B N _"],
    ) -> Float[Tensor, "B Q N P"]:
        """What every part contributes to a score."""
        shots, asked = self.parts(support).mean(2), self.parts(query)
        cosine = torch.einsum("bqpd,bnpd->bqnp", asked, F.normalize(shots, dim=-1))
        return self.weights(text)[:, None] * cosine / self.options.temperature

    def parts(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch P D"]:
        """The unit vector of every part."""
        joints = at_least_float32(maps).mean(-3)
        return F.normalize(self.matrix.to(joints.dtype) @ joints, dim=-1)

    def weights(self, text: Float[Tensor, "B N _"]) -> Float[Tensor, "B N P"]:
        """The relevance of every part for every class; the sum over parts is 1."""
        logits = at_least_float32(self.relevance(F.normalize(text, dim=-1)))
        return (logits / self.options.relevance_temperature).softmax(-1)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`part_score` (B, Q, N, P): what every part contributes to the score, which is their sum. `relevance` of the
        same shape: how much every part counts for a class, the same for all queries.
        """
        support, query = self.maps(episode)
        text = self.class_text[episode.class_id]
        weights = self.weights(text)[:, None].expand(-1, query.shape[1], -1, -1)
        return {"part_score": self.part_scores(support, query, text), "relevance": weights}
