"""The workspace: where raw files, stores and runs are on this machine, under FSPREP_HOME."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_STORE_NAME = re.compile(r"\w[\w-]{0,199}", re.ASCII)


class WorkspaceError(Exception):
    """The workspace lacks what a command needs, or must not be written to; the text names the remedy."""


@dataclass(frozen=True)
class Workspace:
    """The folder `home` with raw/<dataset>, stores/, runs/ and weights/."""

    home: Path

    def raw(self, dataset: str) -> Path:
        """Where raw files of a dataset are expected."""
        return self.home / "raw" / dataset

    def store(self, dataset: str, subset: str, preprocessing: str) -> Path:
        """The default path of a store. Raises WorkspaceError for names that do not make a folder inside `stores`.

        The names may come from a store on a server, which must not choose another folder on this machine.
        """
        name = "-".join(part for part in (dataset, subset, preprocessing) if part)
        path = self.stores / f"{name}.zarr"
        if not _STORE_NAME.fullmatch(name) or path.parent.resolve() != self.stores.resolve():
            rule = "its dataset, subset and preprocessing may hold letters, digits, _ and -, 200 together"
            raise WorkspaceError(f"{name[:80]!r} cannot be the name of a store; {rule}. Name a folder with --out.")
        return path

    @property
    def stores(self) -> Path:
        """Folder of stores."""
        return self.home / "stores"

    @property
    def runs(self) -> Path:
        """Folder of runs."""
        return self.home / "runs"

    @property
    def weights(self) -> Path:
        """Folder of imported weights."""
        return self.home / "weights"


def workspace() -> Workspace:
    """FSPREP_HOME, or the platform's folder for user data."""
    import platformdirs

    home = os.environ.get("FSPREP_HOME")
    return Workspace(Path(home).expanduser() if home else Path(platformdirs.user_data_dir("fewshot-skeleton")))


def find_store(home: Workspace, dataset: str, subset: str, preprocessing: str) -> Path:
    """The store built for a split, or else the store of the whole dataset. Raises WorkspaceError if there is none."""
    candidates = [home.store(dataset, subset, preprocessing), home.store(dataset, "", preprocessing)]
    for path in candidates:
        if path.exists():
            return path
    for path in candidates:
        if path.with_name(path.name + ".building").exists():
            raise WorkspaceError(f"{path}: the build is not finished. Run the same `fsprep build` again; it continues.")
    command = f"fsprep build {dataset}" + (f" --subset {subset}" if subset else "")
    absent = f"no store of {dataset} with preprocessing `{preprocessing}` in {home.stores}"
    raise WorkspaceError(f"{absent}. Build it: `{command}`, or name one with --store.")
