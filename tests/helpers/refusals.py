"""Every refusal of a file is a BadFile that begins with the clip and ends with the remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prep.errors import BadFile

LONGEST = 300


def refused(read: Callable[[], object], name: str, words: str) -> None:
    """Reading raises BadFile with the clip's name, these words and a remedy."""
    with pytest.raises(BadFile) as caught:
        read()
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).endswith("Fetch the file again.")
    assert len(str(caught.value)) < LONGEST
