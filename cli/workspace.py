"""Where things lie on this machine: raw files, stores and runs under FSPREP_HOME."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class WorkspaceError(Exception):
    """The workspace lacks what a command needs; the text says which command makes it."""


@dataclass(frozen=True)
class Workspace:
    """The folder `home` with raw/<data set>, stores/ and runs/."""

    home: Path

    def raw(self, dataset: str) -> Path:
        """Where raw files of a data set are expected."""
        return self.home / "raw" / dataset

    def store(self, dataset: str, subset: str, recipe: str) -> Path:
        """Where `fsprep build` leaves a store when it is not told otherwise."""
        return self.stores / ("-".join(part for part in (dataset, subset, recipe) if part) + ".zarr")

    @property
    def stores(self) -> Path:
        """Folder of stores."""
        return self.home / "stores"

    @property
    def runs(self) -> Path:
        """Folder of runs."""
        return self.home / "runs"


def workspace() -> Workspace:
    """FSPREP_HOME, or the platform's folder for user data."""
    import platformdirs

    home = os.environ.get("FSPREP_HOME")
    return Workspace(Path(home).expanduser() if home else Path(platformdirs.user_data_dir("fewshot-skeleton")))


def find_store(place: Workspace, dataset: str, subset: str, recipe: str) -> Path:
    """The store of a split: one built for it, else one of the whole data set. Raises WorkspaceError."""
    wanted = [place.store(dataset, subset, recipe), place.store(dataset, "", recipe)]
    for path in wanted:
        if path.exists():
            return path
    for path in wanted:
        if path.with_name(path.name + ".building").exists():
            raise WorkspaceError(f"{path}: the build is not finished. Run the same `fsprep build` again; it continues.")
    command = f"fsprep build {dataset}" + (f" --subset {subset}" if subset else "")
    absent = f"no store of {dataset} prepared by `{recipe}` in {place.stores}"
    raise WorkspaceError(f"{absent}. Build it: `{command}`, or name one with --store.")
