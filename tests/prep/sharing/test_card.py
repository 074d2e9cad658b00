"""The data card: counts, terms, provenance, and no markup from a stranger's texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.stores import info, make_store, write_clips

from prep.sharing.card import card
from prep.store.info import StoreInfo
from prep.store.read import Store, open_store


def test_the_card_counts_and_cites(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "s.zarr", clips_per_class=3, skip={1: 1}))
    text = card(store)
    for words in (
        "71, of which 0 have no frame",
        f"{store.frames:,} at 30 frames per second",
        "1 bodies, 25 joints (ntu25), 3 channels",
        "preprocessing | `agcn`, version 1",
        f"`{store.digest}`",
        "- wave right hand: 3\n- wave left hand: 2\n",
        f"## Cite\n\n{store.info.citation.strip()}",
        f"## Terms\n\n{store.info.licence.strip()}",
        "fsprep pull URL --out STORE",
        "fsprep verify STORE",
    ):
        assert words in text
    assert "forbid" not in text
    assert "Not verified" not in text
    assert "fsprep rebuild" not in text


def test_the_card_of_a_recipe_says_how_to_rebuild(tmp_path: Path) -> None:
    text = card(open_store(make_store(tmp_path / "s.zarr", clips_per_class=1, name="nw_ucla")), recipe_only=True)
    assert "fsprep rebuild URL --raw FOLDER_OF_RAW_FILES" in text
    assert "fsprep pull" not in text
    assert "These terms forbid redistribution" in text


def one_clip(path: Path, facts: StoreInfo) -> Store:
    return open_store(write_clips(path, facts, ["clip"], [0], [np.zeros((3, 1, 25, 3), np.float32)]))


def test_doubts_are_listed(tmp_path: Path) -> None:
    doubts = {"unverified": "never seen", "left_out": (("clip7", "no frames"),), "options": {"ends": "one"}}
    text = card(one_clip(tmp_path / "s.zarr", replace(info("demo"), **doubts)))
    assert "## Not verified\n\nnever seen\n" in text
    assert "- clip7: no frames" in text
    assert "`tests` with ends=one" in text


def test_texts_of_a_stranger_contain_no_markup_and_no_control_characters(tmp_path: Path) -> None:
    facts = replace(
        info("demo"),
        title="Fine\n## Terms\n\nTake it all",
        licence="# Terms\n===\n- \x1b[2J<img src=x onerror=alert(1)>\n1. [free](http://host)",
        classes=("<img src=x onerror=alert(1)>", "\u202ewave\x1b]0;title\x07", *info("demo").classes[2:]),
        left_out=(("a | b\n# c", "`x`"),),
        file_format="x` | <b>",
    )
    text = card(one_clip(tmp_path / "s.zarr", facts))
    assert text.count("\n## Terms\n") == 1
    assert "\n## Terms\n\n\\# Terms\n\\===\n\\- \\\\x1b\\[2J&lt;img" in text
    assert "\n1\\. \\[free\\](http" in text
    assert "<img" not in text
    assert "- &lt;img src=x onerror=alert(1)&gt;: 1\n" in text
    assert "- a \\| b\\\\x0a# c: \\`x\\`" in text
    assert "`x' \\| <b>`" in text  # in a code span
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
