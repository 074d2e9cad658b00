"""HTML elements in which every text is escaped: what is no Markup is text, wherever it comes from."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from manifests.text import plain

VOID = ("img", "meta", "br")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str | Iterable[str], **attributes: str) -> Markup:
    """An element. Children that are no Markup are escaped; an attribute `class_` is `class`, `data_x` is `data-x`.

    >>> print(element("p", "a < b", element("b", "\\x1b"), class_="note"))
    <p class="note">a &lt; b<b>\\x1b</b></p>
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(plain(value), quote=True)}"'
        for name, value in attributes.items()
    )
    if tag in VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def join(children: Iterable[str | Iterable[str]]) -> Markup:
    """The children one after the other; text is escaped."""
    return Markup("".join(_child(child) for child in children))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Markup:
    """A table with a header row; the first cell of every row is its header."""
    header = element("tr", (element("th", cell, scope="col") for cell in head))
    body = (
        element("tr", element("th", row[0], scope="row"), (element("td", cell) for cell in row[1:])) for row in rows
    )
    above = [element("caption", caption)] if caption else []
    return element("table", above, element("thead", header), element("tbody", body))


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of names and values."""
    return element("dl", (element("div", element("dt", name), element("dd", value)) for name, value in pairs))


def image(png: bytes, alternative: str) -> Markup:
    """A PNG inside the page; `alternative` says in words what it shows."""
    return element("img", src="data:image/png;base64," + base64.b64encode(png).decode(), alt=alternative)


def data(name: str, value: Any) -> Markup:
    """A JSON value that a script of the page reads by the id `name`; no text in it can end the element."""
    words = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{escape(name, quote=True)}">{words}</script>')


def script(code: str) -> Markup:
    """A module of our own code. Raises ValueError for code that would end the element."""
    return Markup(f'<script type="module">\n{_closed(code, "script")}\n</script>')


def stylesheet(rules: str) -> Markup:
    """A style sheet of our own. Raises ValueError for rules that would end the element."""
    return Markup(f"<style>\n{_closed(rules, 'style')}\n</style>")


def _closed(code: str, tag: str) -> str:
    if f"</{tag}" in code.lower():
        raise ValueError(f"a file of the page holds `</{tag}`, which ends its element. Write it in two parts.")
    return code


def _child(child: str | Iterable[str]) -> str:
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(plain(child), quote=False)
    return join(child)
