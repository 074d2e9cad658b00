"""Checkpoints as the authors of a backbone release them, with random weights of any size."""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones.stgcn import Model, Options

NAMES = {
    "joints.maps": "gcn.conv",
    "norm_in": "tcn.0",
    "frames": "tcn.2",
    "norm_out": "tcn.3",
    "shortcut": "residual",
}


def stgcn(layout_name: str = "ntu25", channels: int = 3, **options: object) -> dict[str, Tensor]:
    """The state dict of the authors' ST-GCN, with a classifier of 60 classes and the graph."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Model(layout(layout_name), channels, 2, Options(blocks=4, **options))  # type: ignore[arg-type]
    state = {"A": model.adjacency}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "norm":
            state[name.replace("norm", "data_bn")] = value
        elif parts[0] == "importance":
            state[name.replace("importance", "edge_importance")] = value
        elif parts[0] == "blocks":
            rest = ".".join(parts[2:])
            ours = next(ours for ours in NAMES if rest.startswith(ours))
            state[f"st_gcn_networks.{parts[1]}.{NAMES[ours]}{rest[len(ours) :]}"] = value
    widen = [name for name in state if name.endswith("gcn.conv.weight")]
    state |= {name: state[name][:, :, None, None] for name in widen}
    return state | {"fcn.weight": torch.zeros(60, 256, 1, 1), "fcn.bias": torch.zeros(60)}
