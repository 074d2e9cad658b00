"""The class label of a clip, as far as it is known without opening the file."""

from __future__ import annotations

import re

from manifests.dataset import Dataset
from prep.clip import Source


def label_of(data: Dataset, source: Source) -> int | None:
    """The 0-based label from the entry beside the file, else from the file name.

    -1: unknown. None: the file name encodes an action that the dataset does not have.
    """
    if source.label >= 0:
        return source.label
    match = re.fullmatch(data.pattern, source.name)
    if match is None or "action" not in match.groupdict():
        return -1
    action = int(match["action"])
    return data.actions.index(action) if action in data.actions else None
