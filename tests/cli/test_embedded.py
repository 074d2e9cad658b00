"""The other commands on a store with embeddings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.shell import Shell
from helpers.stores import embed, make_store, text_metadata, video_metadata

from prep.store.keep_embedding import keep_texts, keep_videos
from prep.store.read import open_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "a.zarr", clips_per_class=2)


def test_info_lists_them(shell: Shell, store: Path) -> None:
    assert "embedding" not in shell(f"fsprep info {store}").stdout
    assert json.loads(shell(f"fsprep info {store} --json").stdout)["embeddings"] == []
    embed(store, missing=(1,))
    keep_texts(open_store(store), "words", np.ones((24, 4), np.float32), text_metadata(random=True))
    values, done, frames = np.ones((48, 4), np.float32), np.ones(48, bool), np.ones(48, np.int32)
    kept = keep_videos(open_store(store), "mine", values, done, frames, video_metadata(weights="", encoder="mine"))
    lines = shell(f"fsprep info {store}").stdout.splitlines()
    assert [line for line in lines if "embedding" in line] == [
        "  embedding `mine`: mine, D = 4, 48 of 48 clips, weights not known",
        "  embedding `words`: xclip, D = 4, 24 classes, weights aaaaaaaaaaaa, RANDOM weights: its vectors mean nothing",
        "  embedding `xclip`: xclip, D = 16, 47 of 48 clips, 24 classes, weights aaaaaaaaaaaa",
    ]
    mine, words, xclip = json.loads(shell(f"fsprep info {store} --json").stdout)["embeddings"]
    assert (mine["clips"], mine["classes"], mine["text"], mine["random"]) == (48, 0, None, False)
    assert (words["clips"], words["classes"], words["video"], words["random"]) == (0, 24, None, True)
    assert (xclip["clips"], xclip["width"], xclip["weights"], xclip["named"]) == (47, 16, "a" * 64, "microsoft/xclip")
    assert (xclip["video"]["frames"], xclip["video"]["crop"], xclip["text"]["prompts"]) == (8, "joints", ["{name}"])
    assert xclip["digests"]["xclip/video"] == kept.manifest.embedded["xclip/video"].digest


def test_verify_checks_them(shell: Shell, store: Path) -> None:
    embed(store)
    assert shell(f"fsprep verify {store}").exit_code == 0
    chunk = store / "embeddings/xclip/text/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    done = shell(f"fsprep verify {store}")
    assert done.exit_code == 2
    assert "array `embeddings/xclip/text` is damaged" in done.stderr


def test_merge_takes_them_along_or_says_why_not(shell: Shell, store: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(store, tmp_path / "b.zarr"))
    assert "embedding" not in shell(f"fsprep merge {store} {other} --out {tmp_path / 'bare.zarr'}").stdout
    embed(store)
    done = shell(f"fsprep merge {store} {other} --out {tmp_path / 'c.zarr'}")
    assert done.exit_code == 0
    assert "embedding `xclip`: xclip, D = 16, 48 of 48 clips, 24 classes" in done.stdout
    assert "not merged" not in done.stdout
    keep_texts(open_store(other), "xclip", np.ones((24, 16), np.float32), text_metadata(weights="b" * 64))
    done = shell(f"fsprep merge {store} {other} --out {tmp_path / 'd.zarr'}")
    why = f"`xclip` of {store}, there, and of {other}, here: weights is aaaaaaaaaaaa... there and bbbbbbbbbbbb... here"
    assert done.exit_code == 0
    assert f"embedding `xclip` is not merged: {why}" in done.stdout
    record = json.loads(shell(f"fsprep merge {store} {other} --out {tmp_path / 'e.zarr'} --json").stdout)
    assert record["embeddings_left"]["xclip"].startswith(why)
    assert record["embeddings"] == []


def test_diff_lists_them_and_the_content_is_the_same(shell: Shell, store: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(store, tmp_path / "b.zarr"))
    digest = embed(store).manifest.embedded["xclip/video"].digest[:12]
    done = shell(f"fsprep diff {store} {other}")
    assert done.exit_code == 0
    assert f"embedding xclip/video  (no difference in content)\n    A digest {digest}\n    B none" in done.stdout


def test_pull_says_fetched_only_where_all_embeddings_are(shell: Shell, store: Path, tmp_path: Path) -> None:
    here = tmp_path / "here.zarr"
    assert shell(f"fsprep pull {store} --out {here}").exit_code == 0
    embed(here, name="mine")
    assert shell(f"fsprep pull {store} --out {here}").stdout.startswith("Already fetched.")
    embed(store)
    added = shell(f"fsprep pull {store} --out {here}")
    assert added.exit_code == 0, added.output
    assert not added.stdout.startswith("Already")
    assert "embedding `mine`" in added.stdout
    assert "embedding `xclip`: xclip, D = 16, 48 of 48 clips" in added.stdout
    embed(store, seed=1)
    refused = shell(f"fsprep pull {store} --out {here}")
    assert refused.exit_code == 2
    assert "holds another embedding `xclip` than" in refused.stderr
    fetched = shell(f"fsprep pull {store} --out {tmp_path / 'new.zarr'}")
    assert "embedding `xclip`: xclip, D = 16, 48 of 48 clips" in fetched.stdout
    assert shell(f"fsprep pull {store} --out {tmp_path / 'new.zarr'}").stdout.startswith("Already fetched.")
