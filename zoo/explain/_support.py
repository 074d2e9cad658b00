"""Which shipped methods and backbones have what a figure shows, found by trying each on random clips of one layout."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

from episodes.episode import Episode
from manifests.layout import Layout
from zoo import registry
from zoo.backbones._backbone import Backbone
from zoo.learner import Known
from zoo.methods._method import Method

FRAMES, WIDTH = 8, 6


class MissingLibrary(Exception):
    """A figure needs a library that is not installed; the text says how to install it."""


def library(name: str) -> Any:
    """A module of a library of the extra `figures`. Raises MissingLibrary."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        first = name.partition(".")[0]
        raise MissingLibrary(
            f"{first} is not installed ({error}). Install it: pip install 'fewshot-skeleton[figures]'."
        ) from error


def methods_with(has: Callable[[Method, Episode], bool], layout: Layout) -> list[str]:
    """The shipped methods, with their default options, for which `has` is true on a random task of clips."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, FRAMES, len(layout.joints), layout.coordinates)
    support = torch.randn(1, 2, 1, *shape, generator=generator)
    query = torch.randn(1, 2, *shape, generator=generator)
    index = torch.zeros(1, 2, dtype=torch.long)
    episode = Episode(support, query, index, torch.tensor([[0, 1]]), index[..., None], index)
    return [name for name in registry.names("methods") if has(_made(name, layout), episode)]


def backbones_with(has: Callable[[Backbone], bool], layout: Layout) -> list[str]:
    """The shipped backbones, with their default options, for which `has` is true."""
    return [name for name in registry.names("backbones") if has(_backbone(name, layout))]


def _made(name: str, layout: Layout) -> Method:
    entry = registry.find(name, "methods")
    text = torch.zeros(2, WIDTH) if entry.model.uses_novel_names else None
    known = Known(layout, ("a", "b"), frames=FRAMES, class_text=text)
    method: Method = entry.model(_backbone("joints", layout), entry.options(), known)
    return method.eval()


def _backbone(name: str, layout: Layout) -> Backbone:
    entry = registry.backbone(name)
    backbone: Backbone = entry.model(layout, layout.coordinates, 1, entry.options())
    return backbone
