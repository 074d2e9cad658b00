"""The shipped backbones with graph convolutions."""

from __future__ import annotations

from dataclasses import fields

from zoo import registry

GRAPH_BACKBONES = [
    name
    for name in registry.names("backbones")
    if "early_fusion" in {option.name for option in fields(registry.options_of(name, "backbones"))}
]
