"""A run on disk. Started, killed and resumed to the same numbers; one process writes at a time.

recipe.toml              the resolved recipe, itself runnable
checkpoint.safetensors   weights, optimiser, schedule and progress of the last checkpoint
best.safetensors         weights of the best validation, where there is validation
log.csv                  one line per record up to the last checkpoint
tensorboard/             the same for TensorBoard, where it was asked for
diverged.safetensors     the episode or batch whose loss was not finite, where one was
cost.json                time and memory that it took so far, where the command line made it
confusion.json           how often each test class was taken for each, with the query clips
result.json              the measurement on the test classes, written last: the run is finished
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from manifests.digest import short
from manifests.strict import InvalidValue, build
from zoo.engine.header import Identity
from zoo.experiment.identity import recipe_digest as digest_now
from zoo.experiment.library import shipped
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.runs.result import Result


class RunError(Exception):
    """A run's folder does not hold what it should, or belongs to another recipe, store or initial weights."""


@dataclass(frozen=True)
class Run:
    """The folder of one run and the files in it (see the top of this file)."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.path / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """Weights of the best validation."""
        return self.path / "best.safetensors"

    @property
    def weights(self) -> Path:
        """The weights that are measured: the best, else the last."""
        return self.best if self.best.exists() else self.checkpoint

    @property
    def log(self) -> Path:
        """One line of comma-separated values per record; the first line names the columns."""
        return self.path / "log.csv"

    @property
    def diverged(self) -> Path:
        """The episode or batch whose loss was not finite."""
        return self.path / "diverged.safetensors"

    def recipe(self) -> Recipe:
        """The resolved recipe. Raises RunError where there is none."""
        file = self.path / "recipe.toml"
        if not file.is_file():
            raise RunError(f"{self.path}: no recipe.toml, so it is not a run. `fszoo train` makes one.")
        return resolve(str(file))

    def result(self) -> Result | None:
        """The measurement of a finished run, or None while there is none. Raises RunError for a damaged file."""
        file = self.path / "result.json"
        if not file.exists():
            return None
        try:
            return build(Result, json.loads(file.read_bytes()), str(file))
        except (ValueError, RecursionError, InvalidValue) as error:
            remedy = "Delete the file and run the same `fszoo train` again: it measures the trained weights."
            raise RunError(f"{file}: damaged ({error}). {remedy}") from error

    def finished(self, identity: Identity) -> Result | None:
        """The result if the run is finished.

        Raises RunError where the folder belongs to another identity, or its recipe.toml was changed.
        """
        from zoo.engine.checkpoint import read_header

        result = self.result()
        if result is not None:
            self._check(identity, Identity(**{key: getattr(result, key) for key in vars(identity)}))
        elif self.checkpoint.exists():
            self._check(identity, read_header(self.checkpoint).identity)
        else:
            return None
        if (self.path / "recipe.toml").exists() and self.changes(identity.recipe_digest):
            rule = "was changed since the run began"
            raise RunError(f"{self.path / 'recipe.toml'}: {rule}. Put it back, or delete the folder to start again.")
        return result

    def changes(self, recipe_digest: str) -> tuple[str, ...]:
        """What to say where recipe.toml, or a file that it names, is not what the digest was made of; () if all is as
        it was, or the run that it started from is gone."""
        recipe, source = self.recipe(), self.recipe().init.source
        if source and source not in shipped() and not Path(source).exists():
            return ()
        if digest_now(recipe) == recipe_digest:
            return ()
        return ("recipe.toml, or a file of yours that it names, was changed after the training",)

    def identity(self) -> Identity:
        """What the weights belong to. Raises CheckpointError where there are none."""
        from zoo.engine.checkpoint import read_header

        return read_header(self.weights).identity

    def _check(self, wanted: Identity, own: Identity) -> None:
        for what, mine, theirs in (
            ("recipe", wanted.recipe_digest, own.recipe_digest),
            ("store", wanted.store_digest, own.store_digest),
            ("set of initial weights", wanted.init_digest, own.init_digest),
        ):
            if mine != theirs:
                raise RunError(
                    f"{self.path}: belongs to another {what} ({short(theirs) or 'none'}, now {short(mine) or 'none'}). "
                    "Choose another --out, or delete the folder to start again."
                )
