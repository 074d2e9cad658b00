"""Initial weights of a run: a finished run, the part of it that is taken, and what it may have learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from manifests.facts import split
from zoo.experiment.feed import SetupError
from zoo.experiment.recipe import Recipe, classes


@dataclass(frozen=True)
class Initial:
    """The weights of a finished run: their file and digest, and the recipe of the run."""

    weights: Path
    digest: str
    recipe: Recipe

    def check_classes(self, recipe: Recipe) -> None:
        """Raise SetupError when the run was trained on a class that is novel in `recipe`."""
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
