"""Initial weights of a run: from a finished run, or imported from a checkpoint of other code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from manifests.split_file import split
from zoo.engine.checkpoint import load_part
from zoo.engine.imported import load_imported, read_imported
from zoo.experiment.feed import SetupError
from zoo.experiment.recipe import Recipe, classes


@dataclass(frozen=True)
class Initial:
    """Weights that a run starts from: their file and digest, and the recipe of the run that trained them.

    `recipe` is None for imported weights, whose training classes are not known.
    """

    weights: Path
    digest: str
    recipe: Recipe | None

    def load(self, learner: nn.Module, recipe: Recipe, layout: str) -> None:
        """Put the parts that `recipe.init` names into a learner for that layout.

        Raises SetupError where the weights have seen a novel class, CheckpointError where they do not fit.
        """
        self._check_classes(recipe)
        for part in recipe.init.parts:
            if self.recipe is None:
                load_imported(self.weights, learner, part, Path(recipe.backbone.name).stem, layout)
            else:
                load_part(self.weights, learner, part)

    def _check_classes(self, recipe: Recipe) -> None:
        """Raise SetupError when the run was trained on a class that is novel in `recipe`."""
        if self.recipe is None:
            return
        mine, theirs = split(recipe.data.split), split(self.recipe.data.split)
        if mine.dataset != theirs.dataset:
            return
        _, validation, test = classes(recipe)
        seen = set(classes(self.recipe)[0]) & {*validation, *test}
        if seen:
            raise SetupError(
                f"{self.weights.parent}: trained on the classes {sorted(seen)}, which are novel in {mine.name}. "
                "Pre-train on the same split (and data.class_split), or choose another run."
            )


def imported(path: Path) -> Initial:
    """The initial weights in a file of `fszoo import-weights`. Raises CheckpointError."""
    return Initial(path, read_imported(path).weights_digest, None)
