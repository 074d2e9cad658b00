"""The tiny encoder: labelled random, the same everywhere, and with vectors that tell videos apart."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import EncoderError, Request, encoder
from prep.encoders.tiny import HIDDEN, PATCH, Tiny, load

SCRIPT = """
import numpy as np
from prep.encoders._encoder import encoder
tiny = encoder("tiny").load("", "cpu", "float32")
clip = np.arange(8 * 32 * 32 * 3, dtype=np.uint8).reshape(1, 8, 32, 32, 3)
print(tiny.weights, tiny.videos(clip).tobytes().hex(), tiny.texts(["drink water"]).tobytes().hex())
"""


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    return load(Request(facts_of("tiny"), "random"))


def video(seed: int, frames: int = 8) -> np.ndarray:
    """A bright square on grey, which goes its way: (1, frames, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    start, step, colour = rng.integers(0, 20, 2), rng.integers(-2, 3, 2), rng.integers(0, 256, 3)
    clips = np.full((1, frames, 32, 32, 3), 128, np.uint8)
    for t in range(frames):
        top, left = np.clip(start + t * step, 0, 24)
        clips[0, t, top : top + 8, left : left + 8] = colour
    return clips


def cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs))


def test_its_facts_say_random() -> None:
    facts = encoder("tiny").facts
    assert facts.random
    assert "RANDOM" in facts.title
    assert [checkpoint.weights for checkpoint in facts.checkpoints] == ["random"]


@pytest.mark.parametrize("weights", ["Random", "model.safetensors", "microsoft/xclip-base-patch16"])
def test_it_has_no_other_weights(weights: str) -> None:
    with pytest.raises(EncoderError, match=f"`{weights}`: the tiny encoder has no weights but `random`"):
        encoder("tiny").load(weights, "cpu", "float32")


@pytest.mark.slow
def test_it_is_the_same_in_another_process_whatever_its_hash_seed(tiny: Tiny) -> None:
    clip = np.arange(8 * 32 * 32 * 3, dtype=np.uint8).reshape(1, 8, 32, 32, 3)
    ours = [tiny.weights, tiny.videos(clip).tobytes().hex(), tiny.texts(["drink water"]).tobytes().hex()]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.split() == ours


def test_it_is_what_its_docstring_says(tiny: Tiny) -> None:
    clips = video(1)
    tensors = {name: tensor.numpy().astype(np.float64) for name, tensor in tiny.tensors.items()}
    patches = np.zeros((8, 3, 8, 8))
    colours = (clips[0] / 255 - 0.5) / 0.5
    for row in range(8):
        for column in range(8):
            part = colours[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            patches[:, :, row, column] = part.mean(axis=(1, 2))
    hidden = np.tanh(patches.reshape(8, -1) @ tensors["patches"] + tensors["bias"])
    assert hidden.shape == (8, HIDDEN)
    frames = hidden @ tensors["frames"]
    changes = np.tanh(np.diff(frames, axis=0)).mean(axis=0) @ tensors["motion"]
    np.testing.assert_allclose(tiny.videos(clips)[0], frames.mean(axis=0) + changes, atol=1e-5)


def test_neighbouring_frames_are_similar_and_other_videos_are_not(tiny: Tiny) -> None:
    vectors = [tiny.videos(video(seed))[0] for seed in range(6)]
    others = [abs(cosine(vectors[a], vectors[b])) for a in range(6) for b in range(a)]
    same = [cosine(tiny.videos(video(n)[:, :1])[0], tiny.videos(video(n)[:, 1:2])[0]) for n in range(6)]
    assert np.mean(same) > 0.5
    assert np.mean(same) > np.mean(others) + 0.2


def test_time_has_a_direction_and_one_frame_none(tiny: Tiny) -> None:
    clips = video(3)
    assert np.abs(tiny.videos(clips) - tiny.videos(clips[:, ::-1])).max() > 0.01
    still = np.repeat(clips[:, :1], 8, axis=1)
    np.testing.assert_allclose(tiny.videos(still), tiny.videos(clips[:, :1]), atol=1e-6)


def test_sentences_are_bags_of_words(tiny: Tiny) -> None:
    one, same, near, far = tiny.texts(["Drink water", "water, drink!", "drink tea", "kicking something"])
    assert np.array_equal(one, same)
    assert cosine(one, near) > 0.4 > abs(cosine(one, far))
