"""The demo teacher: labelled as what it is, sensitive to order and motion, and strict about its file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.synthetic_weights import checkpoint_demo_teacher

from manifests.facts import encoder as facts_of
from prep.encoders._encoder import Request, encoder
from prep.encoders._teacher_file import Provenance, read_teacher, write_teacher
from prep.encoders._teacher_net import bags, initial_net
from prep.encoders.demo_teacher import DemoTeacher, load
from prep.errors import PrepError

ABOUT = Provenance("a" * 64, "demo", ("jump", "squat"), 3, 60, 8, 2, 0.5, "fewshot-skeleton 0")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(checkpoint_demo_teacher(tmp_path))


@pytest.fixture
def teacher(file: Path) -> DemoTeacher:
    return load(Request(facts_of("demo_teacher"), str(file)))


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 200, (2, 16, 32, 32, 3), dtype=np.uint8)


def test_its_facts_say_what_it_is() -> None:
    facts = encoder("demo_teacher").facts
    assert "BASE classes of the demo only" in facts.title
    assert "no stand-in for X-CLIP" in facts.title
    assert (facts.random, facts.weights, facts.checkpoints, facts.frames) == (False, "", (), 16)
    with pytest.raises(PrepError, match="Train them with `fsprep train-teacher`, then --weights FILE"):
        encoder("demo_teacher").load("", "cpu", "float32")


def test_it_holds_its_provenance(teacher: DemoTeacher) -> None:
    assert (teacher.provenance.split, teacher.provenance.base_classes) == ("demo", ("wave right hand", "jump"))


def test_vectors_have_length_one(teacher: DemoTeacher) -> None:
    for vectors in (teacher.videos(noise()), teacher.texts(["jump", "a video of a person squat"])):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_order_of_frames_matters_and_a_wall_does_not(teacher: DemoTeacher) -> None:
    clips = noise()
    vectors = teacher.videos(clips)
    assert np.abs(teacher.videos(clips[:, ::-1]) - vectors).max() > 0.01
    wall = np.random.default_rng(1).integers(0, 55, (1, 1, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(teacher.videos(clips + wall), vectors, atol=1e-5)


def test_sentences_of_the_same_words_have_the_same_vector_and_related_words_similar_ones(teacher: DemoTeacher) -> None:
    one, same, near, far = teacher.texts(["Punch right", "right, punch!", "punches right", "bow"])
    np.testing.assert_array_equal(one, same)
    assert one @ near > 0.6 > 0.3 > abs(one @ far)
    assert bags([]).shape == (0, 2048)


def test_equal_teachers_have_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_teacher(tmp_path / f"{name}.safetensors", initial_net(3).state_dict(), ABOUT)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    tensors, about = read_teacher(tmp_path / "a.safetensors")
    assert about == ABOUT
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in initial_net(3).state_dict().items())


def refused(path: Path, words: str) -> None:
    with pytest.raises(PrepError) as error:
        encoder("demo_teacher").load(str(path), "cpu", "float32")
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert any(remedy in str(error.value) for remedy in ("`fsprep train-teacher`", "Get it again"))


def test_absent_truncated_and_foreign_files_are_refused(file: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.safetensors", "there is no such file")
    content = file.read_bytes()
    for size in (0, 4, 200, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        refused(file, "is damaged or no .safetensors file")
    file.write_bytes((10**18).to_bytes(8, "little") + content[8:])
    refused(file, "is damaged or no .safetensors file")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    for name, words in (("t.pt", "is no .safetensors file"), ("t.safetensors", "is damaged or no .safetensors file")):
        torch.save(Hostile(), tmp_path / name)
        refused(tmp_path / name, words)
    assert not (tmp_path / "ran").exists()


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    path, tensors = tmp_path / "t.safetensors", dict(initial_net(0).state_dict())
    for changed, words in (
        ({"video.bias": torch.zeros(64)}, "`video.bias` is torch.float32 (64,) instead of (128,)"),
        ({"extra": torch.zeros(1)}, "`extra` is unknown"),
        ({"video.bias": torch.zeros(128, dtype=torch.int64)}, "`video.bias` is torch.int64"),
        ({"video.bias": torch.full((128,), torch.nan)}, "`video.bias` holds numbers that are not finite"),
    ):
        write_teacher(path, tensors | changed, ABOUT)
        refused(path, words)
    write_teacher(path, {name: value for name, value in tensors.items() if name != "text.weight"}, ABOUT)
    refused(path, "`text.weight` is absent")


def test_a_file_without_a_readable_provenance_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path, tensors = tmp_path / "t.safetensors", dict(initial_net(0).state_dict())
    save_file(tensors, path)
    refused(path, "is no demo teacher: its metadata has no `demo_teacher`")
    good = asdict(ABOUT)
    for text, words in (
        ("{", "the provenance in it cannot be read"),
        ("[" * 100_000, "the provenance in it cannot be read"),
        (json.dumps(good | {"format": 2}), "format is 2; this program reads format 1"),
        (json.dumps(good | {"accuracy": 2}), "accuracy is 2"),
        (json.dumps(good | {"sead": 1}), "sead"),
        (json.dumps({name: value for name, value in good.items() if name != "split"}), "split"),
    ):
        save_file(tensors, path, metadata={"demo_teacher": text})
        refused(path, words)


def test_provenance_is_no_part_of_the_digest(tmp_path: Path) -> None:
    digests = set()
    for seed in (3, 4):
        path = tmp_path / f"{seed}.safetensors"
        write_teacher(path, initial_net(0).state_dict(), replace(ABOUT, seed=seed))
        digests.add(encoder("demo_teacher").load(str(path), "cpu", "float32").weights)
    assert len(digests) == 1
