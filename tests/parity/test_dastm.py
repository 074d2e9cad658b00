"""DASTM's head, its ablations and the ProtoNet it is compared with, against its published code in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import draw, error, golden, prefixed
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.methods import dastm, protonet
from zoo.methods._method import Method
from zoo.parts.activation import Side
from zoo.parts.rank import batch_nuclear_surrogate, nuclear_norm

OFFICIAL = {"distance": "cosine", "regulariser": "surrogate", "rank_prototypes": True}
ROWS = [
    f"{size}_dtw1_SA{activation}_reg{weight}_gamma{gamma}"
    for size in ("K1Q3", "K5Q2")
    for activation in (0, 1)
    for weight, gamma in (("0", "0.1"), ("0", "0.01"), ("0.1", "0.1"))
]
BASELINES = ["K1Q3_dtw0_SA0_reg0_gamma0.1", "K5Q2_dtw0_SA0_reg0_gamma0.1"]


def features(case: str) -> tuple[Tensor, np.ndarray, int]:
    """The golden's feature maps (n, 256, 8, 25) by seed, their labels, and K."""
    seed, shot, queries, weight = {"K1Q3": (3001, 1, 3, 0.5), "K5Q2": (3002, 5, 2, 0.05)}[case[:4]]
    rng = np.random.default_rng(seed)
    count = 5 * (shot + queries)
    prototypes = rng.standard_normal((5, 256, 8, 25))
    noise = rng.standard_normal((count, 256, 8, 25))
    labels = np.repeat(np.arange(5), shot + queries)[rng.permutation(count)]
    maps = (weight * prototypes[labels] + noise).astype(np.float32)
    if "dtw0" in case:
        maps = maps * np.float32(0.02)
    return torch.from_numpy(maps).double().requires_grad_(), labels, shot


def golden_episode(maps: Tensor, labels: np.ndarray, shot: int) -> Episode:
    """The first `shot` clips of every class are its support; queries follow class by class."""
    rows = [np.flatnonzero(labels == label) for label in range(5)]
    clips = maps.permute(0, 2, 3, 1)[:, None]
    support = torch.stack([clips[row[:shot]] for row in rows])[None]
    query = torch.cat([clips[row[shot:]] for row in rows])[None]
    answer = torch.arange(5).repeat_interleave(len(rows[0]) - shot)[None]
    return episode_of(support, query, answer)


def fill_side(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' names to ours; their key has a bias, which their softmax cancels."""
    names = {"query": "own", "key": "other", "value": "value", "dense": "dense", "LayerNorm": "norm"}
    ours: dict[str, Tensor] = {}
    for their, our in names.items():
        ours |= prefixed(theirs, their, our)
    del ours["other.bias"]
    return ours


def model_of(case: str) -> Method:
    if "dtw0" in case:
        return protonet.Model(GivenMaps(256), protonet.Options())
    active = "SA1" in case
    options = dastm.Options(
        **OFFICIAL,
        activation="aligned" if active else "none",
        block="residual_ln" if active else "plain",
        rank_weight=float(case.split("reg")[1].split("_")[0]),
        gamma=float(case.split("gamma")[1]),
        divergence=not active,
    )
    model = dastm.Model(GivenMaps(256), options)
    if active:
        keys = golden("dastm_head")[1]["attention_keys"]
        theirs = {key: draw(key, *about) for key, about in keys.items()}
        for side, name in ((model.activation.query, "x"), (model.activation.support, "y")):
            weights = {key.split(".", 1)[1]: value for key, value in theirs.items() if f"_{name}." in key}
            side.load_state_dict(fill_side(weights))
    return model.double().eval()


# Relative to the largest value: of distances, of the loss, and of gradients. In float32 the authors' own gradients
# carry the noise of soft-DTW, 2e-6 / gamma of a share.
CLOSE = {"f64": (1e-8, 1e-7, 1e-6), "f32": (1e-5, 1e-5, 2e-3)}


@pytest.mark.parametrize("precision", ["f64", pytest.param("f32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ROWS + BASELINES)
def test_distance_loss_and_gradient(case: str, precision: str) -> None:
    arrays, _ = golden("dastm_head")
    maps, labels, shot = features(case)
    assert np.array_equal(labels, arrays[f"labels_{case[:4]}"])
    model, dtype = model_of(case), torch.float64 if precision == "f64" else torch.float32
    losses = model.to(dtype).losses(golden_episode(maps.to(dtype), labels, shot))
    of_distance, of_loss, of_gradient = CLOSE[precision]
    theirs = f"{case}_{precision}"
    loss, accuracy, penalty = arrays[f"{theirs}_loss_acc_reg"]
    assert error(-losses.scores[0], arrays[f"{theirs}_dist"]) < of_distance
    assert losses.total.item() == pytest.approx(loss, rel=of_loss, abs=of_loss if precision == "f32" else 0)
    assert losses.accuracy.item() == pytest.approx(accuracy, abs=1e-7)
    assert losses.parts.get("rank", torch.zeros(())).item() == pytest.approx(penalty, rel=1e-6)
    losses.total.backward()
    gradient = maps.grad.reshape(-1).numpy()
    assert error(gradient[::1999], arrays[f"{theirs}_grad_sub"]) < of_gradient
    assert np.linalg.norm(gradient) == pytest.approx(arrays[f"{theirs}_grad_norm"][0], rel=of_gradient)
    if "SA1" in case:
        for parameter, name in (
            (model.activation.query.own.weight, "x.query.weight"),
            (model.activation.support.dense.weight, "y.dense.weight"),
            (model.activation.query.norm.weight, "x.LayerNorm.weight"),
        ):
            norm = arrays[f"{theirs}_gradnorm_attention_{name}"][0]
            assert parameter.grad.norm().item() == pytest.approx(norm, rel=of_gradient)


def test_rank_measures() -> None:
    arrays, _ = golden("dastm_head")
    rng = np.random.default_rng(3010)
    maps = torch.from_numpy(rng.standard_normal((3, 4, 25, 256)).astype(np.float32)).double().requires_grad_()
    value = -batch_nuclear_surrogate(maps).mean()
    value.backward()
    assert error(value, arrays["rank_H_val"][0]) < 1e-6
    assert error(maps.grad.reshape(-1)[::37], arrays["rank_H_grad_sub"]) < 1e-5
    wide = torch.from_numpy(arrays["rank_wide_in"]).double().requires_grad_()
    value = -batch_nuclear_surrogate(wide).mean()
    value.backward()
    assert error(value, arrays["rank_wide_val"][0]) < 1e-6
    assert error(wide.grad.reshape(-1)[::37], arrays["rank_wide_grad_sub"]) < 1e-5
    assert error(-nuclear_norm(maps.detach()).mean(), arrays["rank_H_nuclear_mean_own"][0]) < 1e-9


@pytest.mark.parametrize("heads", [1, 4])
def test_block_alone(heads: int) -> None:
    arrays, about = golden("dastm_head")
    rng = np.random.default_rng(3020)
    own, other = (torch.from_numpy(rng.standard_normal((4, 25, 256)).astype(np.float32)) for _ in range(2))
    side = Side(256, residual=True, heads=heads)
    side.load_state_dict(fill_side({key: draw(key, *kind) for key, kind in about["cross_attention_keys"].items()}))
    for kind, close, closer in (("f32", 1e-5, 1e-4), ("f64", 1e-8, 1e-6)):
        side, own, other = (
            (side.double(), own.detach().double(), other.double()) if kind == "f64" else (side, own, other)
        )
        own.requires_grad_()
        mine, theirs = own[None, None], other[None, None]
        summed = side.summed(side.queries(mine), side.keys(theirs), side.values(mine))
        out = side.finish(summed, mine)[0, 0, :, 0]
        name = f"crossatt_h{heads}_{kind}"
        assert error(out.reshape(-1)[::17], arrays[f"{name}_sub"]) < close
        assert error(stats(out), arrays[f"{name}_stats"]) < close
        gradient = torch.autograd.grad(out.pow(3).sum(), own)[0]
        assert error(gradient.reshape(-1)[::17], arrays[f"{name}_gradx_sub"]) < closer


def stats(values: Tensor) -> Tensor:
    """The golden's five numbers of a tensor in float64."""
    values = values.detach().double()
    return torch.stack([values.mean(), values.std(unbiased=False), values.norm(), values.min(), values.max()])
