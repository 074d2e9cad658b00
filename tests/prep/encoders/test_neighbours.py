"""What encoders share: a torchvision that imports, frames as tensors, tokens, untrusted files."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from prep import torchvision_import
from prep.encoders._computing import computing
from prep.encoders._normalise import check_clips, normalise
from prep.encoders._tokens import CONTEXT, END, START, tokens
from prep.errors import PrepError
from prep.tensors import read_tensors

SYMPTOM = "operator torchvision::nms does not exist"


def fail(times: int, text: str) -> Any:
    """An import that fails `times` times by `text`; its `imports` fills with what was to be imported."""
    imports: list[str] = []

    def import_module(name: str) -> ModuleType:
        imports.append(name)
        if len(imports) <= times:
            sys.modules["torchvision.half"] = ModuleType("torchvision.half")
            raise RuntimeError(text)
        return ModuleType(name)

    import_module.imports = imports  # type: ignore[attr-defined]
    return import_module


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ensure_importable() declares, without declaring it; torchvision's real modules are put back afterwards."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    made: list[str] = []
    monkeypatch.setattr(torchvision_import, "_declared", made)
    monkeypatch.setattr(torchvision_import, "_declare", lambda: made.append("nms"))
    return made


def test_a_sound_torchvision_is_left_alone(declared: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_import.importlib, "import_module", fail(0, ""))
    torchvision_import.ensure_importable()
    assert declared == []


def test_the_one_symptom_is_fixed_and_the_rests_are_dropped(
    declared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = fail(1, f"RuntimeError: {SYMPTOM}")
    monkeypatch.setattr(torchvision_import.importlib, "import_module", broken)
    torchvision_import.ensure_importable()
    assert (declared, broken.imports) == (["nms"], ["torchvision", "torchvision"])
    assert "torchvision.half" not in sys.modules


@pytest.mark.parametrize(("times", "text"), [(1, "out of memory"), (2, SYMPTOM)])
def test_any_other_failure_is_passed_on(
    declared: list[str], monkeypatch: pytest.MonkeyPatch, times: int, text: str
) -> None:
    monkeypatch.setattr(torchvision_import.importlib, "import_module", fail(times, text))
    with pytest.raises(RuntimeError, match=text):
        torchvision_import.ensure_importable()
    sys.modules.pop("torchvision.half", None)


def test_torchvision_can_be_imported_here() -> None:
    torchvision_import.ensure_importable()
    import torchvision

    torchvision_import.ensure_importable()
    assert sys.modules["torchvision"] is torchvision


def test_clips_are_normalised_by_colour() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4, 3), dtype=np.uint8)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    wanted = ((clips / 255 - mean) / std).transpose(0, 1, 4, 2, 3)
    ours = normalise(clips, mean, std, "cpu")
    assert ours.dtype == torch.float32
    assert ours.is_contiguous()
    np.testing.assert_allclose(ours, wanted, atol=1e-6)
    np.testing.assert_allclose(normalise(clips, mean, std, "cpu", torch.float64), wanted, atol=1e-14)
    half = normalise(clips, mean, std, "cpu", torch.bfloat16)
    assert torch.equal(half, ours.bfloat16())
    turned = clips[:, ::-1, :, ::-1]
    np.testing.assert_allclose(normalise(turned, mean, std, "cpu"), wanted[:, ::-1, ..., ::-1], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((1, 4, 8, 8, 3), np.float32, "x: clips are float32; it takes uint8"),
        ((1, 4, 8, 9, 3), np.uint8, r"x: clips are \(1, 4, 8, 9, 3\); it takes \(clips, frames, 8, 8, 3\)"),
        ((4, 8, 8, 3), np.uint8, "it takes"),
        ((1, 0, 8, 8, 3), np.uint8, "it takes"),
        ((1, 5, 8, 8, 3), np.uint8, "clips of 5 frames; these weights take exactly 4. Use --frames 4"),
    ],
)
def test_clips_of_another_shape_are_refused(shape: tuple[int, ...], kind: type, words: str) -> None:
    with pytest.raises(PrepError, match=words):
        check_clips(np.zeros(shape, kind), 4, 8, "x")
    right = np.zeros((2, 4, 8, 8, 3), np.uint8)
    assert check_clips(right, 4, 8, "x") is right
    assert check_clips(right, 0, 8, "x") is right


def test_tokens_are_clips() -> None:
    rows = tokens(["drink water", "Drink  Water", "eat meal/snack"])
    assert (rows.dtype, tuple(rows.shape)) == (torch.int64, (3, CONTEXT))
    assert rows[0, :5].tolist() == [START, 3979, 1573, END, 0]
    assert torch.equal(rows[0], rows[1])
    assert rows.argmax(dim=1).tolist() == [3, 3, 5]
    assert tuple(tokens([]).shape) == (0, CONTEXT)


def test_a_sentence_that_fills_every_place_fits_and_one_word_more_does_not() -> None:
    assert tokens(["water " * 75])[0].argmax() == CONTEXT - 1
    with pytest.raises(PrepError, match=r"water` is 76 tokens; CLIP's text encoder takes at most 75"):
        tokens(["drink", ("water " * 76).strip()])


@pytest.mark.parametrize(
    ("sentence", "words"),
    [("", "`` holds no words"), ("a <end_of_text> b", "contains a control token of the tokenizer")],
)
def test_a_sentence_without_words_or_with_marks_is_refused(sentence: str, words: str) -> None:
    with pytest.raises(PrepError, match=words):
        tokens([sentence])


def refused(path: Path) -> str:
    with pytest.raises(PrepError) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_a_pickle_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, path)
    assert "claims 4398046511104 bytes of numbers, and the file has" in refused(path)


def test_an_archive_that_is_packed_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"a": torch.zeros(1000)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert read_tensors(plain)["a"].shape == (1000,)
    assert "in it is compressed, which torch.save never does" in refused(packed)


@pytest.mark.parametrize("value", [[torch.ones(1)], {"a": 1}, {1: torch.ones(1)}, {}, {"a": torch.eye(2).to_sparse()}])
def test_what_is_no_table_of_tensors_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.bin")
    assert "is not a table of tensors by name" in refused(tmp_path / "w.bin")


def test_the_form_before_archives_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    assert "was not saved by torch 1.6 or later" in refused(path)
    assert "is damaged" in refused(tmp_path / "absent.pt")
    assert "is damaged" in refused(tmp_path / "absent.safetensors")


def test_computing_asks_for_no_gradients_and_puts_every_setting_back() -> None:
    before = torch.backends.cudnn.allow_tf32
    matrix = torch.nn.Parameter(torch.randn(4, 4))
    for precision, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with computing("cpu", precision):  # type: ignore[arg-type]
            product = matrix @ matrix
            assert torch.backends.cudnn.allow_tf32 == (precision == "bfloat16")
        assert product.dtype == kind
        assert not product.requires_grad
    assert torch.backends.cudnn.allow_tf32 == before
    assert (matrix @ matrix).dtype == torch.float32
