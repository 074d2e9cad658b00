"""Which class a clip is of, as far as one can tell without opening its file."""

from __future__ import annotations

import re

from manifests.dataset import Dataset
from prep.clip import Source


def label_of(data: Dataset, source: Source) -> int | None:
    """The 0-based label that stands beside the file or in its name; -1 unknown; None of an action not in this data."""
    if source.label >= 0:
        return source.label
    match = re.fullmatch(data.pattern, source.name)
    if match is None or "action" not in match.groupdict():
        return -1
    action = int(match["action"])
    return data.actions.index(action) if action in data.actions else None
