"""AimCLR against its authors' code: attention drop, and the whole loss on their ST-GCN with and without mining."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.fill import authors, error, golden, prefixed
from helpers.golden_layouts import skeleton
from jaxtyping import Float
from torch import Tensor

from zoo.backbones import stgcn
from zoo.learner import Known
from zoo.parts.attention_drop import attention_drop
from zoo.pretrain import aimclr

PRECISIONS = [("f64", torch.float64, 1e-8), ("f32", torch.float32, 1e-5)]
SIZES = ((8, 1),) * 4 + ((16, 2), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1))
OPTIONS = aimclr.Options(width=16, queue=32, neighbours=2, keep=0.7)


def clips(seed: int) -> Tensor:
    """(4, 2, 30, 25, 3) by the rule of the goldens' INDEX: a random offset and three sines for every coordinate."""
    rng, shape = np.random.default_rng(seed), (4, 3, 1, 25, 2)
    offset = rng.standard_normal(shape) * 0.5
    amplitude, rate = rng.uniform(0.05, 0.4, (3, *shape)), rng.uniform(0.3, 2.5, (3, *shape))
    phase, time = rng.uniform(0, 2 * np.pi, (3, *shape)), (np.arange(30) / 30).reshape(1, 1, 30, 1, 1)
    waves = (amplitude * np.sin(2 * np.pi * rate * time + phase)).sum(0)
    return torch.from_numpy((offset + waves).astype(np.float32)).permute(0, 4, 2, 3, 1)


class OfBodies(aimclr.Model):
    """The stage on the features of single bodies, whose mean the authors take after attention drop."""

    def features(self, clips: Float[Tensor, "X M T V C"]) -> tuple[Tensor, Tensor]:
        maps = self.backbone.features(clips)
        both = maps, attention_drop(maps, self.options.keep)
        plain, dropped = (part.mean((1, 2)).unflatten(0, clips.shape[:2]).mean(1) for part in both)
        return plain, dropped

    def key_features(self, clips: Float[Tensor, "X M T V C"]) -> Tensor:
        return self.target_backbone.features(clips).mean((1, 2)).unflatten(0, clips.shape[:2]).mean(1)


def encoder(weights: dict[str, Tensor], theirs: str, ours: str, head: str, adjacency: Tensor) -> dict[str, Tensor]:
    """Weights of one of the authors' encoders under our names."""
    plain = prefixed(weights, theirs, "encoder")
    plain = {key.removeprefix("encoder."): value for key, value in plain.items()}
    state = stgcn.from_authors(plain) | {"adjacency": adjacency}
    moved = {f"{ours}.{key}": value for key, value in state.items()}
    return moved | {f"{head}.{key.removeprefix('fc.')}": v for key, v in plain.items() if key.startswith("fc.")}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> OfBodies:
    monkeypatch.setitem(stgcn.BLOCKS, 10, SIZES)
    layout, weights = skeleton("ntu"), authors(golden("aimclr")[1]["keys"])
    backbone = stgcn.Model(layout, 3, 2, stgcn.Options(dropout=0.0, edge_importance=True))
    made = OfBodies(backbone, OPTIONS, Known(layout))
    state = encoder(weights, "encoder_q", "backbone", "head", backbone.adjacency)
    state |= encoder(weights, "encoder_k", "target_backbone", "target_head", backbone.adjacency)
    missing, unexpected = made.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == ({"queue", "length", "place", "served", "mining"}, [])
    made.backbone.eval()
    made.target_backbone.eval()
    return made


@pytest.mark.parametrize(("precision", "dtype", "limit"), PRECISIONS)
@pytest.mark.parametrize("keep", [0.68, 0.7, 0.9])
def test_attention_drop(keep: float, precision: str, dtype: torch.dtype, limit: float) -> None:
    arrays, _ = golden("aimclr")
    maps = torch.from_numpy(arrays["drop_x"]).to(dtype).permute(0, 2, 3, 1)
    out = attention_drop(maps, keep).permute(0, 3, 1, 2).reshape(-1)
    assert error(out[::3], arrays[f"simam_kp{keep}_out_sub_{precision}"]) < limit
    assert error(out.sum(), arrays[f"simam_kp{keep}_sum_{precision}"]) < limit
    assert error(out.ne(0).to(dtype).mean(), arrays[f"simam_kp{keep}_frac_nonzero_{precision}"]) < limit


@pytest.mark.parametrize(("precision", "dtype", "limit"), PRECISIONS)
@pytest.mark.parametrize("mining", [0, 1])
def test_loss(stage: OfBodies, mining: int, precision: str, dtype: torch.dtype, limit: float) -> None:
    arrays, _ = golden("aimclr")
    stage.to(dtype)
    # The authors move the key encoder before the loss, here it moves after the step.
    stage.after_step(0.1)
    stage.mining.fill_(mining)
    stage.length.fill_(32)
    # They normalised it in float32.
    stage.queue.copy_(F.normalize(torch.from_numpy(arrays["queue_raw"]), dim=0).T)
    found = stage.scores(*(clips(seed).to(dtype) for seed in (4510, 4511, 4512)))
    theirs = {
        name: arrays[f"nnm{mining}_{name}_{precision}"] for name in ("logits", "probs_e", "probs_ed", "losses", "k")
    }
    assert error(found[0], theirs["logits"]) < limit
    assert error(found[1].softmax(1), theirs["probs_e"]) < limit
    assert error(found[2].softmax(1), theirs["probs_ed"]) < limit
    assert error(found[0].softmax(1), arrays[f"nnm{mining}_ddm_target_{precision}"]) < limit
    assert error(stage.queue[:4], theirs["k"]) < limit
    positives = stage.positives(found)
    if mining:
        assert np.array_equal(positives.numpy(), arrays[f"nnm1_target_or_mask_{precision}"])
    parts = stage.parts(found)
    ddm = (theirs["losses"][1] + theirs["losses"][2]) / 2
    assert error(parts["info_nce"], theirs["losses"][0]) < limit
    assert error(parts["ddm"], ddm) < limit
    assert error(sum(parts.values()), theirs["losses"][3]) < limit
