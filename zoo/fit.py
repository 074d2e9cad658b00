"""Which backbones fit a method or stage: one that compares joints or frames needs maps that keep them.

`Options` may declare it, so that a recipe is checked before anything is loaded or trained. Those of a backbone have
`pools`, the axes of its maps whose length is always 1: "frames", "joints". Those of a method or stage have
`needs_joints`, whether maps must keep the joints of the skeleton, and `needs_frames`, the fewest frames of a map.
"""

from __future__ import annotations

from typing import Any

from zoo import registry


def declared(options: object, name: str, default: Any) -> Any:
    """What Options declare beside their fields, or the default where they declare nothing.

    >>> from types import SimpleNamespace
    >>> declared(SimpleNamespace(), "needs_frames", 1)
    1
    """
    # Of the class: an instance without options of its own refuses any name.
    return getattr(options, name) if hasattr(type(options), name) else default


def needed_axes(options: object) -> tuple[str, ...]:
    """The axes of a map that a method or stage with these options needs, of "joints" and "frames".

    >>> needed_axes(registry.options_of("koopman", "methods")())
    ('frames',)
    """
    needs = {"joints": declared(options, "needs_joints", False), "frames": declared(options, "needs_frames", 1) > 1}
    return tuple(axis for axis, needed in needs.items() if needed)


def pooled_axes(options: object) -> tuple[str, ...]:
    """The axes of a map that a backbone with these options always pools."""
    pools: tuple[str, ...] = declared(options, "pools", ())
    return pools


def fitting(options: object) -> tuple[str, ...]:
    """The shipped backbones whose maps have every axis that a method or stage with these options needs.

    >>> "agcn" in fitting(registry.options_of("apsr_lite", "methods")())
    True
    """
    needed = set(needed_axes(options))
    known = {name: registry.options_of(name, "backbones")() for name in registry.names("backbones")}
    return tuple(name for name, default in known.items() if needed.isdisjoint(pooled_axes(default)))


def reason(learner: str, options: object, backbone: str, backbone_options: object) -> str:
    """Why a method or stage cannot work on a backbone, and which backbones fit; "" where it can."""
    missing = [axis for axis in needed_axes(options) if axis in pooled_axes(backbone_options)]
    if not missing:
        return ""
    axes = " and ".join(missing)
    fit = ", ".join(fitting(options))
    return f"{learner} needs maps with {axes}, and {backbone} pools them. Set backbone.name to one of: {fit}."
