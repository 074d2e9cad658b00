"""Names from outside cannot act on the terminal that shows them."""

from __future__ import annotations

import pytest

from manifests.text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("a\r\nb\tc\x00\x7f", r"a\x0d\x0ab\x09c\x00\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("\u202eexe.txt\u202c\u2066\u2069\u200e\u200f\u061c", r"\u202eexe.txt\u202c\u2066\u2069\u200e\u200f\u061c"),
        ("a\u200bb\u200cc\u200dd\u2060e\ufeff", r"a\u200bb\u200cc\u200dd\u2060e\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\U000e0041", r"\U000e0041"),
        ("not\udcffutf8", r"not\udcffutf8"),
    ],
)
def test_characters_that_act_are_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize("text", ["", "sit down", "größe", "走る", "מַיִם", "e\u0301", "🙂", "a\xa0b", r"C:\x\y"])
def test_characters_that_only_show_are_kept(text: str) -> None:
    assert plain(text) == text


def test_every_control_character_is_escaped() -> None:
    controls = [*range(0x20), *range(0x7F, 0xA0)]
    assert all(plain(chr(code)) == f"\\x{code:02x}" for code in controls)
