"""What is special to ResNet-18: its images, its size, which clips are computed, and where its weights come from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from manifests.facts import layout
from zoo.backbones.resnet18 import Model, Options, WeightsError
from zoo.parts.metric_extra import ExtraMissing, import_metric
from zoo.parts.skeleton_image import reshaped_image, signal_image


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(layout("ntu25"), 3, 2, Options(**{"image_size": 32, **options})).eval()


def clips(count: int = 2) -> Tensor:
    return torch.randn(count, 2, 8, 25, 3, generator=torch.Generator().manual_seed(1))


def test_map_and_size() -> None:
    model = made()
    assert (model.width, model.map_joints, model(clips()).shape) == (128, 1, (2, 1, 1, 128))
    plain = made(embedding_width=0)
    assert (plain.width, plain(clips()).shape) == (512, (2, 1, 1, 512))
    published = 11_689_512
    classifier = 512 * 1000 + 1000
    assert sum(parameter.numel() for parameter in plain.parameters()) == published - classifier
    assert sum(parameter.numel() for parameter in model.parameters()) == published - classifier + 512 * 128 + 128


@torch.no_grad()
@pytest.mark.parametrize(("encoding", "encode"), [("sl_dml", signal_image), ("skeleton_dml", reshaped_image)])
def test_the_network_sees_the_image_of_the_encoding(encoding: str, encode) -> None:
    model = made(encoding=encoding)
    torch.testing.assert_close(model(clips())[:, 0, 0], model.network(encode(clips(), 32)))


def test_a_clip_is_computed_once_and_an_empty_one_not_at_all() -> None:
    model, given, seen = made(), clips(4), []
    given[1, 1] = given[2] = 0
    model.network.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))
    with torch.no_grad():
        assert model(given)[2].eq(0).all()
        model.train()
        model(given)
        model.skip_empty = True
        model(given)
    assert seen == [3, 4, 3]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cache in an empty folder, and no network: opening a connection fails."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))

    def refused(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("torch.hub.urlopen", refused)
    return tmp_path / "checkpoints" / "resnet18-f37072fd.pth"


def saved(place: Path) -> dict[str, Tensor]:
    """A file in the form of torchvision's, with numbers that no initialisation draws."""
    network = import_metric("torchvision.models").resnet18(weights=None)
    weights = {key: torch.full_like(value, 0.5) for key, value in network.state_dict().items()}
    place.parent.mkdir(parents=True)
    torch.save(weights, place)
    return weights


def test_imagenet_weights_come_from_the_cache(cache: Path) -> None:
    saved(cache)
    model = made(weights="imagenet")
    for name, parameter in model.network.named_parameters():
        assert name.startswith("fc.") or parameter.eq(0.5).all(), name
    assert not model.network.fc.weight.eq(0.5).any()
    assert all(not parameter.eq(0.5).all() for parameter in made().parameters())


def test_without_cache_and_connection_the_error_says_what_to_do(cache: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        made(weights="imagenet")
    words = str(caught.value)
    assert "could not be loaded (no connection)" in words
    assert "Download https://download.pytorch.org/models/resnet18-f37072fd.pth on a machine with a connection" in words
    assert f"put the file at {cache} (delete a damaged one)" in words
    assert "or set backbone.options.weights=random" in words


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_file_is_an_error(cache: Path, content: bytes) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content)
    with pytest.raises(WeightsError, match="delete a damaged one"):
        made(weights="imagenet")


def test_weights_of_another_network_are_an_error(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    torch.save({"conv1.weight": torch.zeros(2)}, cache)
    with pytest.raises(WeightsError, match="delete a damaged one"):
        made(weights="imagenet")


def test_without_torchvision_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ExtraMissing, match=r"`torchvision` cannot be loaded.*pip install 'fewshot-skeleton\[metric\]'"):
        made()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="image_size is 16; it must be at least 32"):
        Options(image_size=16)
    with pytest.raises(ValueError, match=r"embedding_width is -1; it must be 0 \(none\) or positive"):
        Options(embedding_width=-1)
