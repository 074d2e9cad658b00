"""A store is opened while another command replaces one of its embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.stores import embed, make_store

from prep.store import info
from prep.store.manifest import StoreError, read_metadata
from prep.store.read import open_store


@pytest.mark.parametrize("times", [1, 3])
def test_it_is_opened_as_it_is_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    path = make_store(tmp_path / "s.zarr", clips_per_class=2)
    embed(path, "x")
    begun = []

    def slow(storage, manifest):  # type: ignore[no-untyped-def]
        begun.append(manifest)
        if len(begun) <= times:
            monkeypatch.setattr(info, "read_metadata", read_metadata)
            embed(path, "x", seed=len(begun))
            monkeypatch.setattr(info, "read_metadata", slow)
        return read_metadata(storage, manifest)

    monkeypatch.setattr(info, "read_metadata", slow)
    store = open_store(path)
    assert len(begun) == times + 1
    assert store.manifest == begun[-1] != begun[0]


def test_damage_is_no_replacement(tmp_path: Path) -> None:
    path = make_store(tmp_path / "s.zarr", clips_per_class=2)
    (path / "label" / "zarr.json").write_text("{}")
    with pytest.raises(StoreError, match="was altered after the build"):
        open_store(path)
