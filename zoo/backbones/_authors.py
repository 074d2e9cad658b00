"""From the names of the authors' weights to ours: what the `from_authors` of several backbones need.

`from_authors(weights)` of a backbone's file takes a state dict of its authors' code to one of ours. It names every
weight that it finds, so that a network of another size is noticed, leaves out the classifier, and raises KeyError with
the name of a weight that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def moved(weights: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    """The weights whose name begins with `theirs.`, under `ours.` instead; none where there are none.

    >>> import torch
    >>> sorted(moved({"bn.weight": torch.ones(1), "bn2.weight": torch.ones(1)}, "bn", "blocks.0.norm"))
    ['blocks.0.norm.weight']
    """
    return {f"{ours}{name[len(theirs) :]}": value for name, value in weights.items() if name.startswith(f"{theirs}.")}
