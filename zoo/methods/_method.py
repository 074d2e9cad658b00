"""Method: the contract of every few-shot method. An Episode goes in, scores come out; bigger is better."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.learner import Known, Learner, Losses, total_of
from zoo.parts.mirror import mirrored


class ScoreError(ValueError):
    """A method's scores have the wrong shape; the text names both shapes."""


class Method(Learner):
    """A backbone and a way to compare its feature maps. A subclass writes `score`.

    Maps are (T', V, D), what the backbone makes of one clip. Row n of `support` is class n throughout.

    A method that sets `uses_novel_names` writes `score_named` in place of `score`: it is given text vectors of the
    names of an episode's classes, which are novel ones in a test. Results of such a method say so.
    """

    uses_novel_names = False
    class_text: Float[Tensor, "_ D"]

    def __init__(self, backbone: Backbone, options: Any, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        if self.uses_novel_names:
            if known.class_text is None:
                raise ValueError(
                    f"{type(self).__module__} needs text vectors of the names of all classes: give "
                    "Known(class_text=...), or name a stored embedding with data.embedding."
                )
            # Not a weight: it comes from the store, and checkpoints hold nothing of novel classes.
            self.register_buffer("class_text", known.class_text, persistent=False)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Similarity of every query to every class, from their maps.

        Evaluation runs under no_grad and in evaluation mode: a method that fine-tunes on the support opens
        `torch.enable_grad()` for it, works on copies, and leaves its own parameters as they were.
        """
        raise TypeError(f"{type(self).__module__} is a method without `score`; write that method.")

    def score_named(
        self,
        support: Float[Tensor, "B N K T V D"],
        query: Float[Tensor, "B Q T V D"],
        text: Float[Tensor, "B N _"],
    ) -> Float[Tensor, "B Q N"]:
        """As `score`, with the text vector of the name of every class; for a method with `uses_novel_names` only."""
        raise TypeError(
            f"{type(self).__module__} is a method with `uses_novel_names` and without `score_named`; write that method."
        )

    def auxiliary_losses(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> dict[str, Tensor]:
        """Further terms of the loss by name, each a scalar that includes its weight; by default none."""
        return {}

    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """Named arrays that explain the scores, each (B, Q, N, ...) or (B, Q, ...); by default none."""
        return {}

    def mirrors(self, shot: int) -> bool:
        """Whether the mirror image of every support clip is one more shot, in training and evaluation; by default no.

        `shot` is K of the episode; `score` then has twice as many.
        """
        return False

    def embed(self, clips: Float[Tensor, "*batch M T V C"]) -> Float[Tensor, "*batch _ _ D"]:
        """The feature map of every clip; leading axes are kept."""
        batch = clips.shape[:-4]
        return self.clip_maps(clips.flatten(0, len(batch) - 1)).unflatten(0, batch)

    def clip_maps(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X _ _ D"]:
        """The map of every clip, which depends on that clip alone; by default what the backbone makes of it.

        A method that compares several views of a clip makes them here and puts their maps side by side as joints.
        """
        return self.backbone(clips)

    def maps(self, episode: Episode) -> tuple[Float[Tensor, "B N K _ _ D"], Float[Tensor, "B Q _ _ D"]]:
        """Support and query maps from ONE pass: batch normalisation sees a whole episode, as in DASTM's code."""
        clips = episode.support
        if self.mirrors(clips.shape[2]):
            assert self.known.layout is not None
            clips = torch.cat([clips, mirrored(clips, self.known.layout, self.known.streams)], dim=2)
        support = clips.flatten(1, 2)
        maps = self.embed(torch.cat([support, episode.query], dim=1))
        return maps[:, : support.shape[1]].unflatten(1, clips.shape[1:3]), maps[:, support.shape[1] :]

    def forward(self, episode: Episode) -> Float[Tensor, "B Q N"]:
        """Scores of every query for every class."""
        return self.checked_scores(*self.maps(episode), episode.class_id)

    def losses(self, episode: Episode) -> Losses:
        """Cross-entropy of the scores, and the auxiliary losses."""
        support, query = self.maps(episode)
        scores = self.checked_scores(support, query, episode.class_id)
        cross_entropy = F.cross_entropy(scores.flatten(0, 1), episode.answer.flatten().long())
        parts = {"cross_entropy": cross_entropy} | self.auxiliary_losses(support, query)
        accuracy = (scores.detach().argmax(-1) == episode.answer).float().mean()
        return Losses(total_of(parts), parts, accuracy, scores)

    def checked_scores(
        self,
        support: Float[Tensor, "B N K T V D"],
        query: Float[Tensor, "B Q T V D"],
        class_id: Int[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B Q N"]:
        """`score` of these maps, or `score_named` with the text vectors of the classes with the store's labels
        `class_id`.

        Raises ScoreError where there is not one number for every query and class.
        """
        if not self.uses_novel_names:
            scores = self.score(support, query)
        elif class_id is None:
            raise ScoreError(
                f"{type(self).__module__} uses the names of classes, and checked_scores() was not given `class_id`: "
                "give the `class_id` of the episode."
            )
        else:
            scores = self.score_named(support, query, self.class_text[class_id])
        expected = (*query.shape[:2], support.shape[1])
        if tuple(scores.shape) != expected:
            raise ScoreError(
                f"{type(self).__module__}: score() returned shape {tuple(scores.shape)}; it must be (B, Q, N), "
                f"here {expected}: one number for every query and class."
            )
        return scores
