"""Which backbones fit which methods and stages: what Options declare is what maps are, and the rest is refused."""

from __future__ import annotations

import pytest
import torch

from manifests.facts import layout
from manifests.strict import InvalidValue
from zoo import registry
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.experiment.resolve import resolve
from zoo.fit import fitting, needed_axes, pooled_axes
from zoo.learner import Known

NTU, FRAMES = layout("ntu25"), 16
GRAPHS = ("agcn", "ctrgcn", "joints", "msg3d", "stgcn")


def built(name: str, **options: object) -> Backbone:
    entry = registry.backbone(name)
    return entry.model(NTU, 3, 1, entry.options(**options))


@pytest.mark.parametrize("name", registry.names("backbones"))
def test_a_backbone_pools_what_its_options_declare(name: str) -> None:
    small = {"resnet18": {"image_size": 32}}.get(name, {})
    model = built(name, **small)
    maps = model.eval()(torch.randn(1, 1, FRAMES, 25, 3))
    found = {"frames": maps.shape[1], "joints": maps.shape[2]}
    pools = set(pooled_axes(registry.options_of(name, "backbones")()))
    assert {axis for axis, length in found.items() if length == 1} == pools
    assert model.map_joints == found["joints"]
    assert found["joints"] in (1, 25)


@pytest.mark.parametrize(
    ("learner", "settings", "axes", "unfit"),
    [
        ("apsr_lite", [], ("joints",), "tcn"),
        ("apsr_lite", [], ("joints",), "geometry"),
        ("koopman", [], ("frames",), "resnet18"),
        ("koopman_pooling", [], ("frames",), "attention_lstm"),
        ("strm", [], ("frames",), "tcn_oneshot"),
        ("trx", [], ("frames",), "resnet18"),
        ("painet", [], ("frames",), "resnet18"),
    ],
)
def test_a_backbone_that_pools_what_is_needed_is_refused_with_those_that_fit(
    learner: str, settings: list[str], axes: tuple[str, ...], unfit: str
) -> None:
    assert needed_axes(registry.options_of(learner, "methods", "pretrain")()) == axes
    with pytest.raises(InvalidValue) as raised:
        resolve(learner, settings=[*settings, f"backbone.name={unfit}"])
    words = f"{learner} needs maps with {axes[0]}, and {unfit} pools them. Set backbone.name to one of: "
    assert str(raised.value).partition(words)[2].startswith("agcn, ctrgcn, ")


def test_what_an_option_needs_goes_with_the_option() -> None:
    resolve("trx", settings=["method.options.sizes=[1]", "backbone.name=resnet18"])
    painet = registry.options_of("painet", "methods")
    alone = {"tca": False, "ssa": False, "tcm": "none"}
    assert needed_axes(painet(**alone)) == ("frames",)
    assert needed_axes(painet(**alone, unit="frame")) == ()


def test_the_backbones_that_fit_are_those_that_ship() -> None:
    assert fitting(registry.options_of("apsr_lite", "methods")()) == GRAPHS
    assert fitting(registry.options_of("protonet", "methods")()) == registry.names("backbones")
    assert not set(fitting(registry.options_of("koopman", "methods")())) & {"resnet18", "tcn_oneshot"}


@pytest.mark.parametrize("name", ["koopman", "koopman_pooling", "strm", "trx"])
def test_maps_of_too_few_frames_are_refused_when_the_learner_is_built(name: str) -> None:
    entry, backbone = registry.learner(name), built("tcn")
    entry.model(backbone, entry.options(), Known(NTU, ("a", "b"), frames=16))
    least = 3 if name == "trx" else 2
    with pytest.raises(ShapeError) as raised:
        entry.model(backbone, entry.options(), Known(NTU, ("a", "b"), frames=4))
    words = f"{name} needs maps of at least {least} frames, but those of tcn have 1 for clips of 4. Set a larger"
    assert str(raised.value).startswith(words)
    assert "backbone.name to one that keeps frames: agcn, " in str(raised.value)
