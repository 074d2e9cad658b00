"""Encoders by name and by path: a user's own file, and what may be wrong with it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import prep.encoders._encoder
from manifests.strict import InvalidValue
from prep.encoders._encoder import Encoder, EncoderError, encoder
from prep.tensors import weights_digest

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)


def documented() -> tuple[str, str]:
    """The two files of the module's docstring: facts and code."""
    text = prep.encoders._encoder.__doc__ or ""
    facts = text.split("`my_encoder.toml`\n")[1].split("\nand `my_encoder.py`\n")[0]
    code = text.split("\nand `my_encoder.py`\n")[1].split("\nafter which")[0]
    return textwrap.dedent(facts).strip() + "\n", textwrap.dedent(code).strip() + "\n"


def written(folder: Path, code: str | None = None, facts: str | None = None, name: str = "my_encoder") -> str:
    """The documented files, or others, in a folder; the path of the code."""
    documented_facts, documented_code = documented()
    (folder / f"{name}.toml").write_text(facts or documented_facts)
    (folder / f"{name}.py").write_text(code or documented_code)
    return str(folder / f"{name}.py")


def own(path: str) -> Encoder:
    return encoder(path).load("", "cpu", "float32")


def refused(path: str) -> str:
    with pytest.raises(EncoderError) as caught:
        own(path)
    return str(caught.value)


def test_the_example_of_the_docstring_runs(tmp_path: Path) -> None:
    code = documented()[1]
    assert len([line for line in code.splitlines() if line]) <= 15
    kind = encoder(written(tmp_path))
    loaded = kind.load("", "cpu", "float32")
    assert (kind.name, kind.facts.title) == ("my_encoder", "Mean colours")
    assert (loaded.frames, loaded.size, loaded.width) == (0, 64, 3)
    np.testing.assert_allclose(loaded.videos(PICTURES), PICTURES.mean(axis=(1, 2, 3)), rtol=1e-5)
    assert loaded.texts(["drink water"]).tolist() == [[11, 1, 1]]


def test_an_own_file_sees_what_was_asked_for(tmp_path: Path) -> None:
    code = documented()[1].replace("return Colours()", "print(request); return Colours()")
    code = code.replace("print(request)", "Colours.weights = f'{request.weights} {request.device} {request.precision}'")
    kind = encoder(written(tmp_path, code))
    loaded = kind.load("W", "cpu", "bfloat16")
    assert loaded.inner.weights == "W cpu bfloat16"  # type: ignore[attr-defined]


def test_the_digest_covers_the_code_the_weights_and_the_colours(tmp_path: Path) -> None:
    facts, code = documented()
    first = own(written(tmp_path)).weights
    assert len(first) == 64
    assert own(written(tmp_path)).weights == first
    assert own(written(tmp_path, code + "# more\n")).weights != first
    assert own(written(tmp_path, code, facts.replace("0.5, 0.5, 0.5", "0.4, 0.5, 0.5", 1))).weights != first
    assert own(written(tmp_path, code, facts.replace("chapter 3", "chapter 4"))).weights == first
    assert own(written(tmp_path, code.replace('"none"', '"some"'))).weights != first


def test_a_file_edited_within_a_second_is_the_new_one(tmp_path: Path) -> None:
    code = documented()[1]
    assert own(written(tmp_path, code)).size == 64
    assert own(written(tmp_path, code.replace("64", "32"))).size == 32
    assert not (tmp_path / "__pycache__").exists()


def test_a_dataclass_can_stand_in_an_own_file(tmp_path: Path) -> None:
    code = documented()[1].replace("import numpy", "from __future__ import annotations\nimport numpy", 1)
    code = code.replace("class Colours", "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Colours")
    assert own(written(tmp_path, code)).width == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1\n", ": has no function `load(request)`; see prep/encoders/_encoder.py."),
        ("x = 1\ny = x / 0\n", ": line 2, its import raises ZeroDivisionError: division by zero"),
        ("def load(request:\n", ": line 1, its import raises SyntaxError: "),
        ("import no_such_library\n", ": line 1, its import raises ModuleNotFoundError: "),
        ("def load(request):\n    return request.wieghts\n", ": line 2, load(request) raises AttributeError: "),
        ("def load(request):\n    return 5\n", "load(request) raises AttributeError: 'int' object has no attribute"),
    ],
)
def test_a_broken_own_file_is_named_with_its_line(tmp_path: Path, code: str, words: str) -> None:
    path = written(tmp_path, code)
    text = refused(path)
    assert text.startswith(path)
    assert words in text


def test_an_own_file_may_refuse_weights_in_its_own_words(tmp_path: Path) -> None:
    code = "from prep.encoders._encoder import EncoderError\n"
    code += "def load(request):\n    raise EncoderError('get them at the desk')\n"
    assert refused(written(tmp_path, code)) == "get them at the desk"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("0, 64, 3", "-1, 64, 3", "`frames` is -1; it must be a whole number"),
        ("0, 64, 3", "0, 6.4, 3", "`size` is 6.4; it must be a whole number"),
        ("0, 64, 3", "0, 64, 0", "`width` is 0; it must be a whole number"),
        ('"none"', "None", "`weights` is None; it must be a text"),
    ],
)
def test_what_an_own_encoder_says_of_itself_is_checked(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = written(tmp_path, documented()[1].replace(before, after))
    assert refused(path).startswith(f"{path}: {words}")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("(1, 2, 3)", "(1, 2)", "videos(clips) gives float32 (2, 64, 3); it must give a float32 array (2, 3)."),
        (", dtype=np.float32)", ")", "videos(clips) gives float64 (2, 3); it must give"),
        ("np.float32)\n", "np.float32) / np.float32(0)\n", "videos(clips) gives numbers that are not finite."),
        ("clips.mean", "list(clips) or clips.mean", "videos(clips) gives list; it must give"),
        ("clips.mean", "clips.maen", "videos(clips) raises AttributeError: "),
    ],
)
def test_the_answers_of_an_own_encoder_are_checked(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = written(tmp_path, documented()[1].replace(before, after, 1))
    with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(EncoderError) as caught:
        own(path).videos(PICTURES)
    assert words in str(caught.value)
    assert str(caught.value).startswith(path)


def test_its_sentences_and_its_number_of_frames_are_checked_too(tmp_path: Path) -> None:
    code = documented()[1].replace("0, 64, 3", "8, 64, 3").replace(", 1) for", ") for")
    loaded = own(written(tmp_path, code))
    with pytest.raises(EncoderError, match=r"texts\(sentences\) gives float32 \(1, 2\)"):
        loaded.texts(["drink"])
    with pytest.raises(EncoderError, match=r"clips of 3 frames; it takes exactly 8.*--frames 8"):
        loaded.videos(PICTURES)


def test_names_that_cannot_be(tmp_path: Path) -> None:
    assert "an encoder is named after its file, and `tiny` ships already" in refused(written(tmp_path, name="tiny"))
    assert "`my-encoder` is not a valid name" in refused(written(tmp_path, name="my-encoder"))
    assert "there is no such file. Shipped encoders: actionclip, clip, demo_teacher, tiny, xclip." in refused(
        "nowhere/mine.py"
    )
    path = Path(written(tmp_path))
    path.with_suffix(".toml").unlink()
    assert f"its facts are missing: {tmp_path}/my_encoder.toml" in refused(str(path))
    with pytest.raises(InvalidValue, match="`xclp` is not one of the encoders. Did you mean `xclip`?"):
        encoder("xclp")


def test_facts_of_an_own_encoder_are_read_strictly(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="`meen` is not a key of Encoder. Did you mean `mean`?"):
        encoder(written(tmp_path, facts=documented()[0].replace("mean =", "meen =")))
    assert "its weights are not public by name. It needs no weights." in refused(
        written(tmp_path, facts=documented()[0].replace('weights = "none"\n', ""))
    )


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = encoder("tiny")

    def load(request: object) -> None:
        raise ModuleNotFoundError("No module named 'open_clip'", name="open_clip")

    monkeypatch.setattr(kind.module, "load", load)
    with pytest.raises(
        EncoderError, match=r"tiny needs the library `open_clip`.*pip install 'fewshot-skeleton\[video\]"
    ):
        kind.load("", "cpu", "float32")


def test_a_digest_sees_names_types_shapes_and_numbers_and_not_their_order() -> None:
    one, two = torch.arange(6.0), torch.ones(())
    digest = weights_digest([("a", one), ("b", two)])
    assert weights_digest([("b", two), ("a", one)]) == digest
    others = [
        [("a", one), ("c", two)],
        [("a", one.double()), ("b", two)],
        [("a", one.reshape(2, 3)), ("b", two)],
        [("a", one + 1e-6), ("b", two)],
        [("a", one)],
    ]
    assert len({digest, *(weights_digest(each) for each in others)}) == 6
    assert weights_digest([("a", one.reshape(2, 3).T)]) == weights_digest([("a", one.reshape(2, 3).T.contiguous())])
    assert weights_digest([("a", torch.nn.Parameter(one)), ("b", two)]) == digest
