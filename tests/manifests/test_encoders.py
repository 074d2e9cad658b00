"""Facts of encoders and prompts: every file reads, and broken ones say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.encoder import Checkpoint, Encoder, Prompts
from manifests.facts import custom_encoder, encoder, is_custom_encoder, names, prompts
from manifests.strict import InvalidValue

FACTS = Encoder("x", "X", "of X", "MIT", "get it", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
WHOLE = """
title = "X"
source = "of X"
licence = "MIT"
obtain = "get it"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"""


@pytest.mark.parametrize("name", names("encoders"))
def test_an_encoder_has_a_source_a_licence_and_instructions(name: str) -> None:
    facts = encoder(name)
    for text in (facts.title, facts.source, facts.licence, facts.obtain):
        assert text.strip()
    assert facts.prompts in names("prompts")
    assert all(0 < value < 1 for value in (*facts.mean, *facts.std))


@pytest.mark.parametrize("name", names("prompts"))
def test_prompts_make_sentences(name: str) -> None:
    sentences = prompts(name)
    assert sentences.source.strip()
    assert all("drink water" in template.format("drink water") for template in sentences.templates)


def test_the_sets_of_prompts_have_their_numbers() -> None:
    assert {name: len(prompts(name).templates) for name in names("prompts")} == {
        "actionclip": 16,
        "bare": 1,
        "person": 1,
    }


def test_xclip_has_every_length_and_imagenets_colours() -> None:
    facts = encoder("xclip")
    assert {checkpoint.frames for checkpoint in facts.checkpoints} == {8, 16, 32}
    for checkpoint in facts.checkpoints:
        frames = 16 if checkpoint.weights.endswith("16-frames") else 32 if checkpoint.weights.endswith("shot") else 8
        assert checkpoint.frames == frames, checkpoint.weights
    assert (facts.weights, facts.frames) == ("microsoft/xclip-base-patch16", 8)
    assert [round(255 * value, 3) for value in (*facts.mean, *facts.std)] == [
        123.675,
        116.28,
        103.53,
        58.395,
        57.12,
        57.375,
    ]
    assert facts.mean != encoder("clip").mean == encoder("actionclip").mean


def test_only_the_tiny_one_is_random() -> None:
    assert [name for name in names("encoders") if encoder(name).random] == ["tiny"]
    assert not encoder("actionclip").weights


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("std = [0.5, 0.5, 0.5]", "std = [0.5, 0.0, 0.5]", r"std is \(0.5, 0.0, 0.5\); each must be above 0"),
        ("mean = [0.5, 0.5, 0.5]", "mean = [124.0, 0.5, 0.5]", "mean is .*; colours are between 0 and 1"),
        ("mean = [0.5, 0.5, 0.5]", "mean = [0.5, 0.5]", "mean"),
        ('title = "X"', 'title = "X"\nframes = 0', "frames is 0; it must be at least 1"),
        ('title = "X"', 'title = "X"\nweights = "w"', "weights `w` are not among the checkpoints"),
        (
            'title = "X"',
            'title = "X"\ncheckpoints = [{ weights = "w", frames = -1 }]',
            "frames is -1; it must be 0, for any number, or above",
        ),
        (
            'title = "X"',
            'title = "X"\nframes = 8\nweights = "w"\ncheckpoints = [{ weights = "w", frames = 16 }]',
            "frames is 8, and the checkpoint `w` takes 16",
        ),
        (
            'title = "X"',
            'title = "X"\ncheckpoints = [{ weights = "w", frames = 1 }, { weights = "w", frames = 2 }]',
            "checkpoints: `w` is listed twice",
        ),
        ('title = "X"', 'title = "X"\nname = "x"', "`name` is the file's name; remove the line"),
        ('title = "X"', "", "title"),
    ],
)
def test_broken_facts_are_named(tmp_path: Path, before: str, after: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(WHOLE.replace(before, after))
    with pytest.raises(InvalidValue, match=words) as caught:
        custom_encoder(tmp_path / "mine.py")
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))


def test_custom_facts_are_read_from_the_file_beside_the_code(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(WHOLE)
    facts = custom_encoder(tmp_path / "mine.py")
    assert (facts.name, facts.title, facts.frames, facts.prompts) == ("mine", "X", 8, "bare")
    with pytest.raises(InvalidValue, match="other.toml: cannot be read"):
        custom_encoder(tmp_path / "other.py")
    assert is_custom_encoder("a/b.py")
    assert not is_custom_encoder("xclip")


@pytest.mark.parametrize(
    ("templates", "words"),
    [
        ((), "templates is empty; the bare name is `{}`"),
        (("a video",), "template `a video` must hold `{}` once, for the class name, and no other brace"),
        (("{} and {}",), "must hold `{}` once"),
        (("{}", "{}"), "templates: `{}` is listed twice"),
        (("{} in {place}",), "must hold `{}` once, for the class name, and no other brace"),
    ],
)
def test_broken_prompts_are_named(templates: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("{", r"\{").replace("}", r"\}")):
        Prompts("x", templates, "mine")


def test_a_misspelt_name_is_corrected() -> None:
    with pytest.raises(InvalidValue, match="`persn` is not one of the prompts. Did you mean `person`?"):
        prompts("persn")


def test_checkpoints_are_values() -> None:
    assert Checkpoint("w", 8) == Checkpoint("w", 8)
    assert FACTS.checkpoints == ()
