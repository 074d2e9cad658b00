"""How figures look and are written: widths of a paper's columns, colour-blind-safe colours, PNG, SVG and PDF."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manifests.text import plain
from prep.files import atomic_write

COLUMN, PAGE = 3.3, 6.9  # inches: one column of a two-column paper, and both
# Okabe and Ito's eight colours, which all kinds of colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
SHARES = "cividis"  # for values from 0 up
SIGNED = "PuOr"  # for values around 0
FORMATS = ("png", "svg", "pdf")
DPI = 200
_STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    # Text as text that an editor of a paper can change, with fixed names of its parts.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "fewshot-skeleton",
}


class FormatError(Exception):
    """A figure cannot be written under the name that was given; the text names the formats."""


@contextmanager
def style() -> Iterator[None]:
    """The fonts and lines of a figure inside the block; matplotlib's own settings are put back at the end."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches, drawn inside `style`; it opens no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def text(words: str, most: int = 200) -> str:
    r"""Text from outside on one line of a figure: controls escaped, `$` as itself, cut at `most` characters.

    >>> text("a $5$ bet"), text("x" * 9, most=5)
    ('a \\$5\\$ bet', 'xxxx…')
    """
    shown = plain(words)
    return (shown if len(shown) <= most else f"{shown[: most - 1]}…").replace("$", r"\$")


def table(axis: Any, values: Any, rows: Sequence[str], columns: Sequence[str], **options: Any) -> Any:
    """A matrix as cells of one colour each, with a name for every row and column; returns the image."""
    image = axis.imshow(values, interpolation="nearest", aspect="auto", **options)
    axis.set_xticks(range(len(columns)), [text(name, 24) for name in columns], rotation=90)
    axis.set_yticks(range(len(rows)), [text(name, 24) for name in rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return image


def colours(values: Any) -> Any:
    """The colour "#rrggbb" of each value 0..1 of an array of any shape in the map for shares, as nested lists."""
    import matplotlib
    import numpy as np

    bytes_ = matplotlib.colormaps[SHARES](np.nan_to_num(values), bytes=True)[..., :3].astype(int)
    return np.apply_along_axis(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb), -1, bytes_).tolist()


def check_format(path: Path) -> str:
    """The format that the suffix of a path names. Raises FormatError for another one."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise FormatError(f"{path}: `{path.suffix}` is not the suffix of a figure. Take one of {known}.")
    return suffix


def as_bytes(figure: Any, kind: str) -> bytes:
    """The figure in one of FORMATS; the bytes depend on neither date nor machine."""
    buffer = io.BytesIO()
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with style():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def write(figure: Any, path: Path) -> None:
    """Write a figure in the format of the suffix of `path`. Raises FormatError for another suffix."""
    atomic_write(path, as_bytes(figure, check_format(path)))
