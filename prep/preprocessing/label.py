"""The class label of a clip, as far as it is known without opening the file."""

from __future__ import annotations

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Source


def label_of(data: Dataset, source: Source) -> int | None:
    """The 0-based label from the entry beside the file, else from the file name.

    An action in the file name is the number or the name of a class. -1: unknown. None: the file name encodes an action
    that the dataset does not have.
    """
    if source.label >= 0:
        return source.label
    match = match_name(data.pattern, source.name)
    if match is None or "action" not in match.groupdict():
        return -1
    return data.label_of(match["action"] or "")
