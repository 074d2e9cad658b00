"""How figures are written: in the format of the suffix, bytes that do not change, matplotlib's settings untouched."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from zoo.drawing import FORMATS, FormatError, as_bytes, new_figure, style, text, write

BEGIN = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def drawn():
    with style():
        figure = new_figure(2.0, 1.0)
        figure.subplots().plot([0, 1], label=text("a_{$b$}"))
    return figure


@pytest.mark.parametrize("kind", ["png", *(pytest.param(kind, marks=pytest.mark.slow) for kind in FORMATS[1:])])
def test_every_format_is_written_and_its_bytes_do_not_change(kind: str, tmp_path: Path) -> None:
    write(drawn(), tmp_path / f"x.{kind.upper()}")
    content = (tmp_path / f"x.{kind.upper()}").read_bytes()
    assert content.startswith(BEGIN[kind])
    assert content == as_bytes(drawn(), kind)


def test_another_suffix_is_refused() -> None:
    with pytest.raises(FormatError, match=r"x\.gif: `\.gif` is not the suffix of a figure. Take one of \.png, \.svg"):
        write(drawn(), Path("x.gif"))


def test_settings_of_matplotlib_are_put_back() -> None:
    before = matplotlib.rcParams["font.size"]
    drawn()
    assert matplotlib.rcParams["font.size"] == before
