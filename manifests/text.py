"""Text for a terminal or a report: untrusted text made safe to show, and counts with their nouns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# Unicode categories: controls (C0, DEL, C1), format characters (bidirectional overrides, zero-width characters),
# surrogates (bytes of a file name that are not UTF-8), line and paragraph separators.
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*[]|"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(text: str) -> str:
    r"""Escape every character that could move the cursor, hide text or change its direction; keep all others.

    For names from outside (class names, file names, messages of other libraries) wherever they are shown on one line:
    line breaks and tabs are escaped too.

    >>> print(plain("walk\x1b[2J"), plain("a\nb"), plain("\u202etxt.exe"), plain("größe 走 🙂"))
    walk\x1b[2J a\x0ab \u202etxt.exe größe 走 🙂
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in HIDDEN else char for char in text)


def markdown(text: str) -> str:
    r"""`plain`, with what Markdown and HTML would interpret escaped; for a heading, a table cell or a list item.

    Underscores inside words mean nothing in Markdown and stay.

    >>> print(markdown("a01_s01 | <img onerror=x> & `b` [c](d)"))
    a01_s01 \| &lt;img onerror=x&gt; &amp; \`b\` \[c\](d)
    """
    return plain(text).translate(_MARKDOWN)


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "clip"), counted(1_200, "clip"), counted(0, "body", "bodies")
    ('1 clip', '1,200 clips', '0 bodies')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def span(counts: Sequence[int], unit: str) -> str:
    """The smallest and the largest of some counts, as text.

    >>> span([3, 1, 2], "clip"), span([1, 1], "clip")
    ('1 to 3 clips', '1 clip')
    """
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,} to {high:,} {unit}s" if low < high else counted(high, unit)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
