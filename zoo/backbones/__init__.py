"""Backbones, one per file; `Backbone` is the contract. Your own file needs one class, `Model(Backbone)`."""

from zoo.backbones._backbone import Backbone

__all__ = ["Backbone"]
