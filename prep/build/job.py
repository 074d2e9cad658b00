"""What a build is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from manifests.dataset import Dataset
from manifests.split import Split


@dataclass(frozen=True)
class Job:
    """What to build: the facts, the folder, zip or file that holds the recordings, and the path of the store.

    `form` names a reader or importer ("": whichever of the data set's readers finds something), `options` are its own.
    """

    dataset: Dataset
    recipe: str
    raw: Path
    out: Path
    subset: Split | None = None
    form: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    allow_bad: bool = False

    @property
    def working(self) -> Path:
        """Where parts and report lie until the store is whole."""
        return self.out.with_name(self.out.name + ".building")
