"""The libraries of the optional extra `video`."""

from __future__ import annotations

import importlib
from typing import Any

from prep.errors import PrepError

INSTALL = "Install all video libraries by: pip install 'fewshot-skeleton[video]'"


def import_extra(name: str) -> Any:
    """Import the module `name`. Raises PrepError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PrepError(f"videos need the library `{name}`, which cannot be loaded ({error}). {INSTALL}") from error
