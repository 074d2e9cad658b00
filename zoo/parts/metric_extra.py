"""The libraries of the optional extra `metric`: torchvision and pytorch-metric-learning."""

from __future__ import annotations

import importlib
from typing import Any

from prep.torchvision_import import ensure_importable

INSTALL = "Install it by: pip install 'fewshot-skeleton[metric]'"


class ExtraMissing(ImportError):
    """A library of the extra `metric` cannot be loaded; the text has the command that installs it."""


def import_metric(module: str) -> Any:
    """Import a module of torchvision or pytorch_metric_learning. Raises ExtraMissing."""
    library = module.partition(".")[0]
    try:
        if library == "torchvision":
            ensure_importable()
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing(f"The library `{library}` cannot be loaded ({error}). {INSTALL}") from error
