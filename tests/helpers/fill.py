"""The rule by which authors' modules were filled for the golden numbers, and how a golden array is compared."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from helpers.shared import shared
from torch import Tensor, nn


def draw(key: str, shape: list[int], kind: str) -> Tensor:
    """The weight of the authors' `key`, drawn in float64 from a generator seeded by the key, rounded to float32."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    value = {
        "normal": lambda: rng.standard_normal(shape) * 0.05,
        "norm_weight": lambda: 1 + 0.1 * rng.standard_normal(shape),
        "running_var": lambda: rng.uniform(0.5, 1.5, shape),
        "int0": lambda: np.zeros(shape),
    }[kind]()
    return torch.from_numpy(np.asarray(value, dtype=np.int64 if kind == "int0" else np.float32))


def authors(keys: Mapping[str, Any]) -> dict[str, Tensor]:
    """Every weight of the authors' state_dict that the rule fills (kind `keep` is theirs alone)."""
    return {key: draw(key, shape, kind) for key, (shape, kind) in keys.items() if kind != "keep"}


def prefixed(weights: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    """The weights whose key begins with `theirs.`, under `ours.` instead."""
    return {ours + key[len(theirs) :]: value for key, value in weights.items() if key.startswith(theirs + ".")}


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and description of one golden; the test skips where the shared folder is absent."""
    with np.load(shared(f"golden/{name}.npz")) as arrays:
        return dict(arrays), json.loads(shared(f"golden/{name}.json").read_text())


def error(ours: Tensor | np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest golden value."""
    ours = ours.detach().numpy() if isinstance(ours, Tensor) else ours
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())


def check_backbone(model: nn.Module, skeleton: str, name: str, mode: str) -> None:
    """Output, input gradient and their statistics in float64 against the authors' numbers, as INDEX.md demands.

    The goldens' `train_after_data_bn_running_*` are left out: they equal the weights before the forward pass.
    """
    arrays, about = golden(name)
    with np.load(shared("golden/inputs_backbones.npz")) as inputs:
        theirs = torch.from_numpy(inputs[skeleton]).double().requires_grad_()
    model.double().train(mode == "train")
    out = model(theirs.permute(0, 4, 2, 3, 1)).permute(0, 3, 1, 2)
    gradient = torch.autograd.grad(out.square().sum(), theirs)[0]
    for label, value, limit in (("out", out, 1e-9), ("grad", gradient, 1e-7)):
        flat = value.detach().reshape(-1).numpy()
        step = about["outputs"][f"{mode}_{label}"]["stride"]
        assert error(flat[::step], arrays[f"{mode}_{label}_f64_sub"]) < limit
        moments = np.array([flat.mean(), flat.std(), np.linalg.norm(flat), flat.min(), flat.max()])
        assert error(moments, arrays[f"{mode}_{label}_f64_stats"]) < limit
