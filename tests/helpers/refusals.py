"""What every refusal of a file must be: the reader's own error, with the clip in front and the remedy at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prep.errors import BadFile

LONGEST = 300


def refused(read: Callable[[], object], name: str, words: str) -> None:
    """Reading raises BadFile, which names the clip, has these words and says what to do."""
    with pytest.raises(BadFile) as caught:
        read()
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).endswith("Fetch the file again.")
    assert len(str(caught.value)) < LONGEST
