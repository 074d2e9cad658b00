"""What every encoder must do, over every file of prep/encoders, each with a small checkpoint of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import synthetic_weights

import prep.encoders
from manifests.facts import encoder as facts_of
from manifests.facts import names
from prep.encoders._encoder import Encoder, EncoderError, Precision, encoder

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = sorted(path.stem for path in (ROOT / "prep/encoders").glob("[!_]*.py"))
FOLDERS: list[Path] = []
SENTENCES = ["drink water", "eat meal/snack", "put on a shoe", "take off a shoe"]


@pytest.fixture(autouse=True, scope="module")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the checkpoints are written."""
    FOLDERS.append(tmp_path_factory.mktemp("weights"))


def maker(name: str) -> Callable[..., str]:
    """The function that writes a small checkpoint of an encoder."""
    found = getattr(synthetic_weights, f"checkpoint_{name}", None)
    assert found is not None, f"tests/synthetic_weights.py has no checkpoint_{name}(folder, seed)"
    return found  # type: ignore[no-any-return]


@cache
def weights(name: str, seed: int = 0) -> str:
    return maker(name)(FOLDERS[-1], seed=seed)


@cache
def loaded(name: str, precision: Precision = "float32", seed: int = 0) -> Encoder:
    return encoder(name).load(weights(name, seed), "cpu", precision)


def films(name: str, count: int, seed: int = 0) -> np.ndarray:
    """Clips (count, T, size, size, 3): coloured noise in blocks, which moves."""
    model = loaded(name)
    frames, side = model.frames or facts_of(name).frames, -(-model.size // 8)
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, frames, side, side, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, 8, axis=2), 8, axis=3)[:, :, : model.size, : model.size]


def gap(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest number."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def tensors_in(value: object, depth: int = 4) -> list[torch.Tensor]:
    """Every tensor and parameter that an encoder holds, however it holds it."""
    if isinstance(value, torch.nn.Module):
        return list(value.parameters())
    if isinstance(value, torch.Tensor):
        return [value]
    if depth == 0:
        return []
    inner: list[Any] = list(value.values()) if isinstance(value, dict) else []
    inner += (
        [getattr(value, field.name) for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    )
    return [each for one in inner for each in tensors_in(one, depth - 1)]


def test_an_encoder_is_facts_code_test_and_a_checkpoint() -> None:
    print(f"{len(ENCODERS)} encoders: {', '.join(ENCODERS)}")
    assert names("encoders") == ENCODERS
    assert Path(prep.encoders.__path__[0]) == ROOT / "prep/encoders"
    for name in ENCODERS:
        assert (ROOT / f"tests/prep/encoders/test_{name}.py").exists()
        assert maker(name).__doc__
        assert facts_of(name).prompts in names("prompts")


@pytest.mark.parametrize("name", ENCODERS)
def test_vectors_have_their_shape_and_are_finite(name: str) -> None:
    model = loaded(name)
    assert model.size >= 1
    assert model.frames >= 0
    videos, texts = model.videos(films(name, 3)), model.texts(SENTENCES)
    assert (videos.shape, texts.shape) == ((3, model.width), (4, model.width))
    assert (videos.dtype, texts.dtype) == (np.float32, np.float32)
    assert np.isfinite(videos).all()
    assert np.isfinite(texts).all()
    assert model.texts([]).shape == (0, model.width)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_of_one_equals_a_batch_of_sixteen(name: str) -> None:
    model, clips = loaded(name), films(name, 16)
    whole = model.videos(clips)
    assert gap(np.concatenate([model.videos(clips[n : n + 1]) for n in range(16)]), whole) < 1e-5
    single = np.concatenate([model.texts([each]) for each in SENTENCES])
    assert gap(single, model.texts(SENTENCES)) < 1e-5


@pytest.mark.parametrize("name", ENCODERS)
def test_a_row_does_not_depend_on_its_neighbours(name: str) -> None:
    model, clips, others = loaded(name), films(name, 4), films(name, 4, seed=1)
    others[2] = clips[2]
    assert model.videos(clips)[2].tobytes() == model.videos(others)[2].tobytes()
    assert model.texts(SENTENCES)[2].tobytes() == model.texts(["a", "b c d e f", SENTENCES[2], "g"])[2].tobytes()


@pytest.mark.parametrize("name", ENCODERS)
def test_a_second_load_is_bit_identical(name: str) -> None:
    fresh = encoder(name).load(weights(name), "cpu", "float32")
    state = torch.random.get_rng_state()
    assert fresh.videos(films(name, 2)).tobytes() == loaded(name).videos(films(name, 2)).tobytes()
    assert fresh.texts(SENTENCES).tobytes() == loaded(name).texts(SENTENCES).tobytes()
    assert torch.equal(torch.random.get_rng_state(), state), "took numbers from the global generator"


@pytest.mark.parametrize("name", ENCODERS)
def test_other_videos_and_sentences_have_other_vectors(name: str) -> None:
    model, clips = loaded(name), films(name, 2)
    videos, texts = model.videos(clips), model.texts(SENTENCES)
    assert gap(videos[:1], videos[1:]) > 0.01
    assert all(gap(texts[:1], texts[n : n + 1]) > 0.01 for n in range(1, 4))
    swapped = model.videos(clips[..., ::-1])
    assert gap(swapped, videos) > 0.001, "the order of colours makes no difference"


@pytest.mark.parametrize("name", ENCODERS)
def test_it_is_frozen(name: str) -> None:
    model = tensors_in(loaded(name))
    assert model, "no tensor found; hold them in a dataclass, a dict or a torch module"
    assert not [each for each in model if each.requires_grad]


@pytest.mark.parametrize("name", ENCODERS)
def test_bfloat16_is_near_float32_and_not_the_same(name: str) -> None:
    exact, quick = loaded(name), loaded(name, "bfloat16")
    assert quick.weights == exact.weights
    for theirs, ours in (
        (exact.videos(films(name, 4)), quick.videos(films(name, 4))),
        (exact.texts(SENTENCES), quick.texts(SENTENCES)),
    ):
        assert ours.dtype == np.float32
        assert 0 < gap(ours, theirs) < 0.03


@pytest.mark.parametrize("name", ENCODERS)
def test_the_digest_is_that_of_the_weights(name: str) -> None:
    model = loaded(name).weights
    assert len(model) == 64
    assert int(model, 16) >= 0
    assert encoder(name).load(weights(name), "cpu", "float32").weights == model
    if not facts_of(name).random:
        assert loaded(name, seed=1).weights != model


@pytest.mark.parametrize("name", ENCODERS)
def test_clips_of_another_shape_are_refused(name: str) -> None:
    model, clips = loaded(name), films(name, 1)
    if model.frames:
        with pytest.raises(EncoderError, match=f"takes? exactly {model.frames}"):
            model.videos(np.concatenate([clips, clips], axis=1))
    else:
        assert model.videos(clips[:, :1]).shape == (1, model.width)
    for wrong in (clips[:, :, 1:], clips.astype(np.float32), clips[0], clips[:, :0]):
        with pytest.raises(EncoderError):
            model.videos(wrong)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_sentence_without_words_is_refused(name: str) -> None:
    with pytest.raises(EncoderError, match="no words"):
        loaded(name).texts(["drink water", " "])


class Leaky:
    """An encoder that breaks most of the contract."""

    frames, size, width, weights = 0, 8, 2, "x"

    def videos(self, clips: np.ndarray) -> np.ndarray:
        return np.full((len(clips), 2), clips.mean(), np.float32)

    def texts(self, sentences: list[str]) -> np.ndarray:
        return np.array([[len(each), len(sentences)] for each in sentences], np.float32)


@pytest.mark.parametrize(
    "check",
    [
        test_a_batch_of_one_equals_a_batch_of_sixteen,
        test_a_row_does_not_depend_on_its_neighbours,
        test_other_videos_and_sentences_have_other_vectors,
        test_it_is_frozen,
        test_bfloat16_is_near_float32_and_not_the_same,
        test_the_digest_is_that_of_the_weights,
    ],
)
def test_the_contract_notices_a_wrong_encoder(check: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "loaded", lambda name, precision="float32", seed=0: Leaky())
    with pytest.raises(AssertionError):
        check("tiny")
