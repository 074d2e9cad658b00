"""MS-G3D and CTR-GCN against the same networks line by line: processor time of forward and backward, in training.

Five clips of two bodies, 30 frames of 25 joints, on one thread, the works in turn. Run it with
`pytest -m benchmark -s tests/benchmark/test_backbones.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from helpers.interleaved import cpu_seconds, milliseconds
from helpers.plain_backbones import Ctrgcn, Msg3d
from torch import Tensor, nn

from manifests.facts import layout
from zoo.backbones import ctrgcn, msg3d

ROUNDS = 7
NTU = layout("ntu25")


def msg3d_pair(form: str) -> tuple[nn.Module, nn.Module]:
    plain = Msg3d(NTU.bones, len(NTU.joints), msg3d.BLOCKS[form], msg3d.SCALES["ntu25"])
    ours = msg3d.Model(NTU, 3, 2, msg3d.Options(form=form))
    ours.load_state_dict(msg3d.from_authors(plain.state_dict()))
    return ours, plain


def ctrgcn_pair() -> tuple[nn.Module, nn.Module]:
    ours = ctrgcn.Model(NTU, 3, 2, ctrgcn.Options())
    plain = Ctrgcn(ours.adjacency.mT, ctrgcn.BLOCKS)
    ours.load_state_dict(ctrgcn.from_authors(plain.state_dict()))
    return ours, plain


def step(model: nn.Module, clips: Tensor) -> None:
    model(clips).square().mean().backward()
    model.zero_grad()


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("MS-G3D, form dastm", lambda: msg3d_pair("dastm")),
        ("MS-G3D, form full", lambda: msg3d_pair("full")),
        ("CTR-GCN", ctrgcn_pair),
    ],
)
def test_no_slower_than_line_by_line(name: str, pair: Callable[[], tuple[nn.Module, nn.Module]]) -> None:
    torch.manual_seed(0)
    ours, plain = pair()
    clips = torch.randn(5, 2, 30, 25, 3)
    with torch.no_grad():
        maps, expected = ours.eval()(clips), plain.eval()(clips)
    assert (maps - expected).abs().max() < 1e-4 * expected.abs().max()
    ours.train()
    plain.train()
    seconds = cpu_seconds({"ours": lambda: step(ours, clips), "plain": lambda: step(plain, clips)}, ROUNDS)
    fast, slow = seconds["ours"], seconds["plain"]
    print(f"\n{name}: {milliseconds(slow)} -> {milliseconds(fast)} ({slow / fast:.2f} x)")
    assert fast < slow
