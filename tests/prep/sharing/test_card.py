"""What the data card says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import stores
from helpers.stores import make_store

from prep.sharing.card import card
from prep.store.read import open_store


def test_the_card_counts_and_cites(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "s.zarr", clips_per_class=3, skip={1: 1}))
    text = card(store)
    for words in (
        "71, of which 0 have no frame",
        f"{store.frames:,} at 30 a second",
        "1 bodies, 25 joints (ntu25), 3 channels",
        "recipe `agcn`, version 1",
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
    assert "These terms forbid handing the data on" in text


def test_what_is_doubtful_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = stores.info
    doubtful = {"unverified": "never seen", "left_out": (("clip7", "no frames"),), "options": {"ends": "one"}}
    monkeypatch.setattr(stores, "info", lambda name: replace(said(name), **doubtful))
    text = card(open_store(make_store(tmp_path / "s.zarr", clips_per_class=1)))
    assert "## Not verified\n\nnever seen\n" in text
    assert "- clip7: no frames" in text
    assert "`tests` with ends=one" in text
