"""What to build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from manifests.dataset import Dataset
from manifests.split import Split


@dataclass(frozen=True)
class Job:
    """One build: the dataset, its raw files (a folder, zip or file), the preprocessing and the path of the store.

    `file_format` names a reader or importer ("": detected among the dataset's readers); `options` are that format's.
    """

    dataset: Dataset
    preprocessing: str
    raw: Path
    out: Path
    subset: Split | None = None
    file_format: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    allow_bad: bool = False

    @property
    def working(self) -> Path:
        """The folder for parts and report until the store is complete."""
        return self.out.with_name(self.out.name + ".building")
