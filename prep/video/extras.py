"""The libraries of the extra `video`, which not every installation has."""

from __future__ import annotations

import importlib
from typing import Any

from prep.errors import PrepError

GET = "Get all that videos need by: pip install 'fewshot-skeleton[video]'"


def extra(name: str) -> Any:
    """The module `name`. Raises PrepError, saying how to get it, where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PrepError(f"videos need the library `{name}`, which cannot be loaded ({error}). {GET}") from error
