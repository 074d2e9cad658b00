"""The draws of a seed never change by accident: every reported number hangs on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def test_draws_are_the_frozen_ones() -> None:
    from make_draws import FILE, drawn

    assert json.loads(json.dumps(drawn())) == json.loads(FILE.read_text(encoding="utf-8"))
