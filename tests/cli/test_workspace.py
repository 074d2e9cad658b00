"""The workspace: stores lie directly inside its folder of stores, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.workspace import Workspace, WorkspaceError


def test_a_store_is_named_after_its_content(tmp_path: Path) -> None:
    home = Workspace(tmp_path)
    assert home.store("ntu120", "ntu_t", "agcn") == tmp_path / "stores" / "ntu120-ntu_t-agcn.zarr"
    assert home.store("ntu120", "", "agcn") == tmp_path / "stores" / "ntu120-agcn.zarr"


@pytest.mark.parametrize("name", ["/abs/evil", "../../x", "a/b", "a\n\x1b[2J", "b" * 300, "..", ".", "\u202ea", ""])
@pytest.mark.parametrize("field", [0, 1, 2])
def test_other_folders_are_refused(tmp_path: Path, name: str, field: int) -> None:
    names = ["", "", ""]
    names[field] = name
    with pytest.raises(WorkspaceError, match=r"cannot be the name of a store; .* Name a folder with --out"):
        Workspace(tmp_path).store(*names)


def test_the_folder_of_stores_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "stores").symlink_to(tmp_path / "big")
    assert Workspace(tmp_path).store("demo", "", "agcn") == tmp_path / "stores" / "demo-agcn.zarr"
