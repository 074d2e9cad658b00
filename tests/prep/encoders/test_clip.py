import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.synthetic_weights import checkpoint_clip, open_clip_here
from safetensors.torch import load_file, save_file

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import EncoderError, Request, encoder
from prep.encoders.clip import PooledClip
from prep.errors import PrepError

SENTENCES = ["drink water", "a photo of a person who eats", "x"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def small(weights: str) -> PooledClip:
    return loaded(weights)


def loaded(weights: str, precision: Any = "float32") -> PooledClip:
    kind = encoder("clip")
    return kind.module.load(Request(kind.facts, weights, precision=precision))  # type: ignore[no-any-return]


def path_of(weights: str) -> Path:
    return Path(weights.partition("=")[2])


def tensors_of(weights: str) -> dict[str, torch.Tensor]:
    return load_file(path_of(weights))


def noise(clips: int, frames: int = 5, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (clips, frames, size, size, 3), dtype=np.uint8)


def by_hand(weights: str, quick: bool = False, config: str = "synthetic-clip") -> Any:
    """The same model as open_clip itself makes and fills it."""
    open_clip = open_clip_here()
    return open_clip.create_model(config, pretrained=str(path_of(weights)), force_quick_gelu=quick).eval()


def frames_by_hand(model: Any, shown: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    """The definition in the module docstring, one frame at a time."""
    rows = []
    for clip in shown:
        units = []
        for frame in clip:
            pixels = (frame.astype(np.float64) / 255 - np.array(mean)) / np.array(std)
            with torch.no_grad():
                vector = model.encode_image(torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32))[0]
            units.append((vector / vector.norm()).double().numpy())
        middle = np.mean(units, axis=0)
        rows.append(middle / np.linalg.norm(middle))
    return np.array(rows)


def test_what_it_says_of_itself(small: PooledClip) -> None:
    assert (small.frames, small.size, small.width) == (0, 32, 32)
    assert len(small.weights) == 64


def test_videos_are_pooled_frames_of_open_clip(weights: str, small: PooledClip) -> None:
    open_clip = open_clip_here()
    constants = open_clip.constants
    shown = noise(3)
    expected = frames_by_hand(by_hand(weights), shown, constants.OPENAI_DATASET_MEAN, constants.OPENAI_DATASET_STD)
    given = small.videos(shown)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_frames_count_alike_whatever_their_length(small: PooledClip) -> None:
    """A mean of vectors that were not brought to length 1 first would be another one."""
    shown = noise(1, frames=2)
    one, two = small.videos(shown[:, :1]), small.videos(shown[:, 1:])
    assert np.linalg.norm(one - two) > 0.1
    both = one + two
    np.testing.assert_allclose(small.videos(shown), both / np.linalg.norm(both), atol=1e-5)
    raw = small.towers.frames(shown)[0].norm(dim=-1)
    assert abs(float(raw[0] - raw[1])) > 1e-3


def test_texts_are_those_of_open_clip(weights: str, small: PooledClip) -> None:
    open_clip = open_clip_here()
    with torch.no_grad():
        raw = by_hand(weights).encode_text(open_clip.get_tokenizer("ViT-B-16")(SENTENCES))
    given = small.texts(SENTENCES)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, (raw / raw.norm(dim=-1, keepdim=True)).numpy(), atol=1e-5)
    assert small.texts([]).shape == (0, 32)


def test_many_sentences_go_in_parts(small: PooledClip, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small.texts(SENTENCES)
    monkeypatch.setattr("prep.encoders._clip_towers.BATCH", 2)
    np.testing.assert_allclose(small.texts(SENTENCES), whole, atol=1e-6)


def test_a_row_does_not_depend_on_its_neighbours(small: PooledClip) -> None:
    shown = noise(16, frames=3)
    alone = np.concatenate([small.videos(shown[row : row + 1]) for row in range(16)])
    np.testing.assert_allclose(small.videos(shown), alone, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 8, 100])
def test_any_number_of_frames(small: PooledClip, frames: int) -> None:
    np.testing.assert_allclose(np.linalg.norm(small.videos(noise(1, frames)), axis=1), 1, atol=1e-6)


def test_bfloat16_stays_near(weights: str, small: PooledClip) -> None:
    low = loaded(weights, "bfloat16")
    shown = noise(2)
    for one, two in ((small.videos(shown), low.videos(shown)), (small.texts(SENTENCES), low.texts(SENTENCES))):
        assert two.dtype == np.float32
        assert 0 < np.abs(one - two).max() < 0.02
    assert low.weights == small.weights


def test_frames_of_another_size_are_refused(small: PooledClip) -> None:
    with pytest.raises(PrepError, match=r"clip: clips are \(1, 5, 16, 16, 3\); it takes .*32, 32, 3"):
        small.videos(noise(1, size=16))


def test_the_facts_colours_are_openais() -> None:
    constants = open_clip_here().constants
    facts = facts_of("clip")
    assert (facts.mean, facts.std) == (constants.OPENAI_DATASET_MEAN, constants.OPENAI_DATASET_STD)
    for checkpoint in facts.checkpoints:
        model, _, tag = checkpoint.weights.partition("/")
        assert open_clip_here().get_pretrained_cfg(model, tag)


# --- QuickGELU and pixels ---


@pytest.mark.parametrize(
    ("weights", "quick"),
    [
        ("ViT-B-16/openai", True),
        ("ViT-B-16-quickgelu/openai", True),
        ("ViT-B-16/laion2b_s34b_b88k", False),
        ("ViT-B-16=FILE", False),
        ("ViT-B-16-quickgelu=FILE", True),
    ],
)
def test_who_decides_on_quick_gelu(weights: str, quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip's own create_model makes ViT-B-16/openai without it, and warns."""
    settings_seen = []

    def spy(**settings: Any) -> None:
        settings_seen.append(settings["quick_gelu"])
        raise RuntimeError("seen")

    monkeypatch.setattr(open_clip_here(), "CLIP", spy)
    with pytest.raises(PrepError, match="cannot be built: seen"):
        loaded(weights)
    assert settings_seen == [quick]


def publish(monkeypatch: pytest.MonkeyPatch, **tag: Any) -> None:
    """A tag `mine` of the model synthetic-clip, as open_clip publishes others."""
    from open_clip.pretrained import _PRETRAINED

    monkeypatch.setitem(_PRETRAINED, "synthetic-clip", {"mine": tag})


def test_a_tag_brings_its_own_activation_and_colours(
    weights: str, small: PooledClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, std = (0.5, 0.4, 0.3), (0.6, 0.5, 0.4)
    publish(monkeypatch, file=str(path_of(weights)), quick_gelu=True, mean=mean, std=std)
    tagged = loaded("synthetic-clip/mine")
    shown = noise(2)
    expected = frames_by_hand(by_hand(weights, quick=True), shown, mean, std)
    np.testing.assert_allclose(tagged.videos(shown), expected, atol=1e-5)
    assert np.abs(frames_by_hand(by_hand(weights), shown, mean, std) - expected).max() > 1e-4
    assert tagged.weights != small.weights


def test_a_file_is_shown_the_colours_of_its_models_tags(
    weights: str, small: PooledClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = (0.5, 0.5, 0.5)
    publish(monkeypatch, file="", mean=half, std=half)
    assert (loaded(weights).towers.mean, loaded(weights).towers.std) == (half, half)
    facts = facts_of("clip")
    publish(monkeypatch, file="", mean=facts.mean, std=facts.std)
    assert loaded(weights).weights == small.weights


# --- where weights come from ---


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("ViT-B-16", "`ViT-B-16` is neither MODEL/TAG nor MODEL=PATH"),
        ("ViT-B-61/openai", "open_clip has no model `ViT-B-61`. Did you mean `ViT-B-16`?"),
        ("ViT-B-61=file.pt", "open_clip has no model `ViT-B-61`. Did you mean `ViT-B-16`?"),
        ("ViT-B-16/openia", "open_clip's model ViT-B-16 has no weights `openia`. Did you mean `openai`?"),
        ("ViT-S-16/openai", "open_clip's model ViT-S-16 has no weights `openai`. It has none at all."),
    ],
)
def test_unknown_names(weights: str, words: str) -> None:
    with pytest.raises(PrepError) as raised:
        loaded(weights)
    assert words in str(raised.value)
    assert facts_of("clip").obtain.strip() in str(raised.value)


def test_offline_it_says_how_to_get_weights(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(_: object) -> None:
        raise FileNotFoundError("Failed to download file")

    publish(monkeypatch, hf_hub="nobody/nothing/", mean=(0.5,) * 3, std=(0.5,) * 3)
    monkeypatch.setattr(open_clip_here(), "download_pretrained", offline)
    with pytest.raises(
        EncoderError, match="clip: synthetic-clip/mine: cannot be downloaded: Failed to download file"
    ) as raised:
        loaded("synthetic-clip/mine")
    assert facts_of("clip").obtain.strip() in str(raised.value)


def test_a_fetched_file_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "open_clip_model.safetensors"
    bad.write_bytes(b"not weights")
    publish(monkeypatch, file=str(bad), mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(PrepError, match="synthetic-clip/mine: .*open_clip_model.safetensors: cannot be read"):
        loaded("synthetic-clip/mine")


# --- files ---


def test_one_digest_whatever_the_file(weights: str, small: PooledClip, tmp_path: Path) -> None:
    tensors = tensors_of(weights)
    torch.save(tensors, tmp_path / "plain.pt")
    trained = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}
    torch.save(trained, tmp_path / "trained.pt")
    torch.save(
        tensors | {"input_resolution": torch.tensor(32), "vocab_size": torch.tensor(49408)}, tmp_path / "openai.bin"
    )
    for name in ("plain.pt", "trained.pt", "openai.bin"):
        assert loaded(f"synthetic-clip={tmp_path / name}").weights == small.weights
    tensors["visual.proj"][0, 0] += 1
    torch.save(tensors, tmp_path / "other.pt")
    assert loaded(f"synthetic-clip={tmp_path / 'other.pt'}").weights != small.weights


def test_half_precision_is_computed_in_float32(weights: str, tmp_path: Path) -> None:
    save_file({name: value.half() for name, value in tensors_of(weights).items()}, tmp_path / "half.safetensors")
    model = loaded(f"synthetic-clip={tmp_path / 'half.safetensors'}").towers.model
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def less(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["visual.proj"]


def more(tensors: dict[str, torch.Tensor]) -> None:
    tensors["visual.extra"] = torch.zeros(2)


def larger(tensors: dict[str, torch.Tensor]) -> None:
    tensors["visual.positional_embedding"] = torch.zeros(10, 64)


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    tensors["visual.proj"] = torch.zeros(64, 32, dtype=torch.int64)


def deeper(tensors: dict[str, torch.Tensor]) -> None:
    for number in range(5):
        tensors[f"visual.more.{number}"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (less, "`visual.proj` is absent"),
        (more, "`visual.extra` is unknown"),
        (larger, "`visual.positional_embedding` is torch.float32 (10, 64) instead of (5, 64)"),
        (whole_numbers, "`visual.proj` is torch.int64 (64, 32) instead of (64, 32)"),
        (deeper, "`visual.more.2` is unknown and 2 more"),
    ],
)
def test_another_architecture(weights: str, tmp_path: Path, change: Callable[..., None], words: str) -> None:
    tensors = tensors_of(weights)
    change(tensors)
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(PrepError) as raised:
        loaded(f"synthetic-clip={tmp_path / 'w.safetensors'}")
    assert str(raised.value).startswith(f"{tmp_path / 'w.safetensors'}: is not synthetic-clip: ")
    assert words in str(raised.value)


def test_loading_takes_no_numbers_from_the_global_generator(weights: str) -> None:
    state = torch.random.get_rng_state()
    loaded(weights)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_files_that_are_absent_or_cut_off(weights: str, tmp_path: Path) -> None:
    with pytest.raises(PrepError, match=r"gone.pt: there is no such file of weights"):
        loaded(f"synthetic-clip={tmp_path / 'gone.pt'}")
    torch.save(tensors_of(weights), tmp_path / "whole.pt")
    for source, name in ((path_of(weights), "cut.safetensors"), (tmp_path / "whole.pt", "cut.pt")):
        (tmp_path / name).write_bytes(source.read_bytes()[:-1000])
        with pytest.raises(PrepError, match=f"{name}: is damaged"):
            loaded(f"synthetic-clip={tmp_path / name}")


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"visual.proj": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(PrepError, match=r"evil.pt: .*other than plain tensors.*Nothing in it was run"):
        loaded(f"synthetic-clip={tmp_path / 'evil.pt'}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    assert any("code/" in name for name in zipfile.ZipFile(tmp_path / "script.pt").namelist())
    with pytest.raises(PrepError, match=r"script.pt: is a TorchScript archive, which is a program; it was not run"):
        loaded(f"synthetic-clip={tmp_path / 'script.pt'}")


# --- models unlike CLIP ---


def register(folder: Path, name: str, **text: Any) -> dict[str, Any]:
    settings = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1} | text,
    }
    (folder / f"{name}.json").write_text(json.dumps(settings))
    open_clip_here().add_model_config(folder / f"{name}.json")
    return settings


def test_a_text_tower_with_fewer_places_refuses_what_it_would_cut(tmp_path: Path) -> None:
    open_clip = open_clip_here()
    settings = register(tmp_path, "synthetic-short", context_length=6)
    model = open_clip.CLIP(**settings).eval()
    save_file(model.state_dict(), tmp_path / "short.safetensors")
    short = loaded(f"synthetic-short={tmp_path / 'short.safetensors'}")
    fits = ["a b c d", "a"]
    with torch.no_grad():
        raw = model.encode_text(open_clip.get_tokenizer("synthetic-short")(fits))
    np.testing.assert_allclose(short.texts(fits), (raw / raw.norm(dim=-1, keepdim=True)).numpy(), atol=1e-5)
    for long in ("a b c d e", "a b c d e f g h"):
        with pytest.raises(PrepError, match=f"`{long}` does not fit into the 6 tokens of synthetic-short"):
            short.texts(["a", long])


def test_frames_must_be_square(tmp_path: Path) -> None:
    settings = register(tmp_path, "synthetic-wide")
    settings["vision_cfg"]["image_size"] = [32, 64]
    (tmp_path / "synthetic-wide.json").write_text(json.dumps(settings))
    open_clip = open_clip_here()
    open_clip.add_model_config(tmp_path / "synthetic-wide.json")
    save_file(open_clip.CLIP(**settings).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(PrepError, match="synthetic-wide: takes frames of 64 x 32; only square"):
        loaded(f"synthetic-wide={tmp_path / 'w.safetensors'}")
