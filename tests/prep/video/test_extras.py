"""Libraries that are not installed."""

from __future__ import annotations

import pytest

from prep.errors import PrepError
from prep.video.extras import import_extra


def test_a_library_that_is_not_installed() -> None:
    rule = r"videos need the library `no_such`.+pip install 'fewshot-skeleton\[video\]'"
    with pytest.raises(PrepError, match=rule):
        import_extra("no_such")
