"""What every backbone must do: each file of zoo/backbones against each contract, and one wrong member for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
from helpers.graph_backbones import GRAPH_BACKBONES
from torch import Tensor, nn

from episodes.streams import channels as stream_channels
from manifests import facts
from manifests.facts import layout
from manifests.layout import Layout
from zoo import registry
from zoo.backbones._backbone import Backbone, ShapeError, mean_of_present, present_bodies

Make = Callable[..., Backbone]
LAYOUTS = facts.names("layouts")


@dataclass(frozen=True)
class Shipped:
    """A shipped backbone with some options; its clips hold `streams` streams of a layout's coordinates."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    streams: int = 1

    def __call__(self, skeleton: Layout, channels: int, bodies: int) -> Backbone:
        entry = registry.backbone(self.name)
        return entry.model(skeleton, channels, bodies, entry.options(**self.options))

    def __str__(self) -> str:
        return "-".join((self.name, *self.options))


def channels_of(make: Make, skeleton: Layout | None = None) -> int:
    coordinates = skeleton.coordinates if skeleton else 3
    return getattr(make, "streams", 1) * coordinates


def seeded(
    make: Make, skeleton: Layout | None = None, channels: int | None = None, bodies: int = 2, seed: int = 0
) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(skeleton or layout("ntu25"), channels or channels_of(make), bodies).eval()


def clips(
    skeleton: Layout | None = None, count: int = 2, bodies: int = 2, frames: int = 8, channels: int = 3
) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    joints = len((skeleton or layout("ntu25")).joints)
    return torch.randn(count, bodies, frames, joints, channels, generator=generator)


def near(first: Tensor, second: Tensor, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance * second.abs().max().item())


def with_empty_bodies(make: Make) -> Tensor:
    """Four of ten bodies are empty: the second of one clip, the first of one, both of one."""
    given = clips(count=5, channels=channels_of(make))
    given[1, 1] = given[2, 0] = given[4] = 0
    return given


def without_dropout(model: Backbone) -> Backbone:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def drawn(model: Backbone, given: Tensor) -> Tensor:
    """The maps of a pass whose random numbers are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model(given)


@torch.no_grad()
def every_layout(make: Make) -> None:
    for name in LAYOUTS:
        skeleton = layout(name)
        fused = channels_of(make, skeleton) if getattr(make, "streams", 1) > 1 else 0
        several = stream_channels(("joint", "bone", "speed"), 3)
        for channels, bodies, frames in ((fused or 3, 2, 8), (fused or 2, 1, 13), (fused or several, 1, 2)):
            model = seeded(make, skeleton, channels, bodies)
            maps = model(clips(skeleton, 2, bodies, frames, channels))
            assert (maps.dim(), maps.shape[0], maps.shape[3]) == (4, 2, model.width)
            assert 1 <= maps.shape[1] == model.map_frames(frames) <= frames
            assert maps.shape[2] == model.map_joints
            assert torch.isfinite(maps).all()
            assert maps.std() > 0


@torch.no_grad()
def bodies_in_any_order(make: Make) -> None:
    model = seeded(make)
    near(model(clips(channels=channels_of(make)).flip(1)), model(clips(channels=channels_of(make))))


@torch.no_grad()
def empty_body_ignored(make: Make) -> None:
    model, one = seeded(make), clips(channels=channels_of(make))[:, :1]
    twice = model(torch.cat([one, one], dim=1))
    near(model(torch.cat([one, torch.zeros_like(one)], dim=1)), twice)
    near(model(torch.cat([torch.zeros_like(one), one], dim=1)), twice)


@torch.no_grad()
def no_body_is_zero(make: Make) -> None:
    assert seeded(make)(torch.zeros_like(clips(channels=channels_of(make)))).eq(0).all()


@torch.no_grad()
def clips_apart(make: Make) -> None:
    model = seeded(make)
    given = clips(channels=channels_of(make))
    near(model(given), torch.cat([model(given[:1]), model(given[1:])]))


@torch.no_grad()
def empty_bodies_left_out(make: Make) -> None:
    """The oracle is the dense path: every body is computed, and the mean taken over the present ones."""
    model, given = seeded(make), with_empty_bodies(make)
    every = model.features(model.normalise_slots(given, None))
    near(model(given), mean_of_present(every, present_bodies(given)))


def empty_bodies_do_not_count(make: Make) -> None:
    """In training with `skip_empty` a further empty clip changes neither the maps of the others nor the statistics."""
    given, states = with_empty_bodies(make), []
    for extra in (0, 2):
        model = without_dropout(seeded(make).train())
        model.skip_empty = True
        maps = drawn(model, torch.cat([given, torch.zeros_like(given[:1]).repeat(extra, 1, 1, 1, 1)]))
        assert maps[len(given) :].eq(0).all()
        states.append({"maps": maps[: len(given)].detach(), **model.state_dict()})
    for name, value in states[0].items():
        near(states[1][name].double(), value.double())


def nothing_to_leave_out(make: Make) -> None:
    """In training where no body is empty, `skip_empty` changes no map, gradient or statistic."""
    found = []
    for skips in (False, True):
        model = without_dropout(seeded(make).train())
        model.skip_empty = skips
        maps = drawn(model, clips(channels=channels_of(make)))
        if maps.requires_grad:
            maps.square().sum().backward()
        gradients = {f"{name}.grad": p.grad for name, p in model.named_parameters() if p.grad is not None}
        found.append({"maps": maps.detach(), **model.state_dict(), **gradients})
    for name, value in found[0].items():
        near(found[1][name].double(), value.double())


def never_waits_for_a_device(make: Make) -> None:
    """Meta tensors have no values to read: whatever would make the host wait for a GPU raises an error."""
    for training in (False, True):
        model = seeded(make).train(training).to("meta")
        assert model(with_empty_bodies(make).to("meta")).device.type == "meta"


def gradient_everywhere(make: Make) -> None:
    """A backbone without parameters is exempt, if its docstring says that it has none."""
    model = seeded(make)
    if not list(model.parameters()):
        assert "no parameters" in (type(model).__doc__ or ""), "say in the docstring that it has no parameters"
        return
    model(clips(channels=channels_of(make))).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def same_again(make: Make) -> None:
    model = seeded(make)
    assert torch.equal(model(clips(channels=channels_of(make))), model(clips(channels=channels_of(make))))


@torch.no_grad()
def half_precision(make: Make) -> None:
    model = seeded(make)
    exact = model(clips(channels=channels_of(make)))
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(clips(channels=channels_of(make))).float()
    assert (rough - exact).norm() < 0.05 * exact.norm()


@torch.no_grad()
def weights_saved(make: Make) -> None:
    first, second = seeded(make, seed=1), seeded(make, seed=2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(clips(channels=channels_of(make))), second(clips(channels=channels_of(make))))


def other_shapes_refused(make: Make) -> None:
    model, channels = seeded(make), channels_of(make)
    for wrong in (clips(bodies=1, channels=channels), clips(channels=2), clips(layout("kinect20"), channels=channels)):
        with pytest.raises(ShapeError, match=rf"this backbone was built for \(2, 25, {channels}\)"):
            model(wrong)


class Wrong(Backbone):
    """A linear backbone with whatever is wrong with it: `spoil` gets the maps of all bodies and the clips."""

    width = 4

    def __init__(self, spoil: Callable[..., Tensor], skeleton: Layout, channels: int, bodies: int) -> None:
        super().__init__(skeleton, channels, bodies)
        self.map = nn.Linear(channels, self.width)
        self.unused = nn.Parameter(torch.zeros(1))
        self.noise = torch.rand(())
        self.spoil = spoil

    def forward(self, given: Tensor) -> Tensor:
        maps = self.map(given[:, :, ::4])
        return self.spoil(self, maps, given)


class Mixing(Backbone):
    """The map of a body depends on the others."""

    width = 3

    def features(self, clips: Tensor) -> Tensor:
        return clips.flatten(0, 1) - clips.mean((0, 1))


class Silent(Backbone):
    """Nothing is trained."""

    width = 3

    def features(self, clips: Tensor) -> Tensor:
        return clips.flatten(0, 1)


class Frank(Silent):
    """It has no parameters."""


def mean(self: Wrong, maps: Tensor, given: Tensor) -> Tensor:
    return maps.mean(1)


# A wrong backbone, or what is wrong with the maps of `Wrong`.
CONTRACTS: dict[Callable[[Make], None], Callable[..., Tensor] | type[Backbone]] = {
    every_layout: lambda self, maps, given: maps.mean(1)[..., :1],
    bodies_in_any_order: lambda self, maps, given: maps[:, 0],
    empty_body_ignored: mean,
    no_body_is_zero: mean,
    clips_apart: lambda self, maps, given: maps.mean(1) - maps.mean((0, 1)),
    empty_bodies_left_out: Mixing,
    empty_bodies_do_not_count: lambda self, maps, given: maps.mean(1) - maps.mean((0, 1)),
    nothing_to_leave_out: lambda self, maps, given: maps.mean(1) + float(self.skip_empty),
    never_waits_for_a_device: lambda self, maps, given: maps.mean(1) * given.any().item(),
    gradient_everywhere: mean,
    same_again: lambda self, maps, given: maps.mean(1) + torch.rand(()),
    half_precision: lambda self, maps, given: (maps + 1000).mean(1) - 1000,
    weights_saved: lambda self, maps, given: maps.mean(1) + self.noise,
    other_shapes_refused: mean,
}


# Options under which every graph backbone keeps the contracts too; those after the first, and all networks but one, are
# slow.
QUICK = ("msg3d",)
GRAPH_OPTIONS = (
    ({"early_fusion": True, "drop_edges": 4}, 3),
    ({"pair_norm": "pn", "drop_edge_rate": 0.1}, 1),
    ({"early_fusion": True, "pair_norm": "pn_si", "pair_norm_scale": 10.0}, 2),
    ({"pair_norm": "pn_scs"}, 1),
)
# Options that make a backbone cheaper and nothing else.
SMALL = {"resnet18": {"image_size": 32}}
SHIPPED = [Shipped(name, SMALL.get(name, {})) for name in registry.names("backbones")] + [
    pytest.param(Shipped(name, options, streams), marks=[pytest.mark.slow] if number or name not in QUICK else [])
    for name in GRAPH_BACKBONES
    for number, (options, streams) in enumerate(GRAPH_OPTIONS)
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("make", SHIPPED, ids=str)
def test_backbone(make: Shipped, contract: Callable[[Make], None]) -> None:
    contract(make)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_catches_a_wrong_backbone(contract: Callable[[Make], None]) -> None:
    wrong = CONTRACTS[contract]
    with pytest.raises((AssertionError, RuntimeError, pytest.fail.Exception)):
        contract(wrong if isinstance(wrong, type) else partial(Wrong, wrong))


def test_a_backbone_without_parameters_says_so() -> None:
    with pytest.raises(AssertionError, match="say in the docstring that it has no parameters"):
        gradient_everywhere(Silent)
    gradient_everywhere(Frank)


@pytest.mark.parametrize("name", ["geometry", "joints"])
def test_untrained_backbones_have_no_parameters(name: str) -> None:
    model = seeded(Shipped(name))
    assert list(model.parameters()) == []
    assert dict(model.state_dict()) == {}


def test_there_are_backbones() -> None:
    assert {"agcn", "stgcn"} <= set(GRAPH_BACKBONES)
    assert {"agcn", "geometry", "joints", "stgcn", "tcn"} <= set(registry.names("backbones"))
