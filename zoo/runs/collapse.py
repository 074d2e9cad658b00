"""A pre-training stage that collapsed: its backbone gives every clip the same vector. And the rate that may help."""

from __future__ import annotations

import torch

from episodes.loader import BatchLoader
from zoo.experiment.library import lineage
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.pretrain._stage import pooled

# Random weights have 0.1 and trained ones 0.5 to 0.9; rounding alone gives 1e-7.
LEAST_SPREAD = 1e-3


@torch.no_grad()
def collapse(prepared: Prepared) -> tuple[str, ...]:
    """A warning if the clips of one batch differ by less than LEAST_SPREAD of the length of their vectors; else ()."""
    loader, learner = prepared.train, prepared.learner
    if not isinstance(loader, BatchLoader) or not len(loader) or loader.size < 2:
        return ()
    mode = learner.training
    learner.eval()
    vectors = pooled(learner.backbone(loader.at(0).clips[:, 0])).double()
    learner.train(mode)
    length, spread = vectors.norm(dim=1).max(), (vectors - vectors.mean(0)).norm(dim=1).max()
    if bool(spread > LEAST_SPREAD * length):
        return ()
    rule = f"{prepared.recipe.name} has collapsed: its backbone gives all clips the same vector"
    return (f"{rule}. {lower_rate(prepared.recipe)}".rstrip(". "),)


def lower_rate(recipe: Recipe) -> str:
    """A sentence with the nearest recipe that this one builds on and that has a lower learning rate, or ""."""
    for name in lineage(recipe.name)[1:]:
        lr = resolve(name).optimiser.lr
        if lr < recipe.optimiser.lr:
            return f"The recipe `{name}` trains with optimiser.lr={lr:g} instead of {recipe.optimiser.lr:g}. "
    return ""
