"""fsprep train-teacher as a user types it, and the two commands that use its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.shell import Shell
from helpers.teacher_demo import BOW, JUMP, SQUAT, draw, video

from prep.store.embeddings import open_embedding
from prep.store.read import open_store

STORE = "stores/demo-agcn.zarr"
SPLIT = f"""
title = "Two base classes"
source = "a test"
dataset = "demo"
protocol = "episodic"
seed = 0
train = [{JUMP}, {SQUAT}]
test = [{BOW}]
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with five clips of three classes, their videos, their store and a split."""
    home = tmp_path_factory.mktemp("drawn") / "home"
    draw(home / "raw" / "demo", (JUMP, SQUAT, BOW), 5)
    (home / "two.toml").write_text(SPLIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(home))
        assert Shell()("fsprep build demo --workers 1").exit_code == 0
    return home


@pytest.fixture
def mine(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change."""
    shutil.copytree(drawn, tmp_path / "home")
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_train_then_embed_videos_and_names(shell, mine: Path) -> None:
    out = mine / "weights" / "demo_teacher.safetensors"
    done = shell(f"fsprep train-teacher --split {mine}/two.toml --epochs 1 --workers 1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == f"{out}: 8 videos of 2 base classes of `two`"
    assert "of 2 held-out videos of these classes match their name (chance: 50.0%)" in lines[1]
    assert lines[3] == f"  use it with --encoder demo_teacher --weights {out}"
    for part in ("embed-videos --workers 1", "embed-text"):
        done = shell(f"fsprep {part} --encoder demo_teacher --weights {out}")
        assert done.exit_code == 0, done.output
    embedding = open_embedding(open_store(mine / STORE), "demo_teacher")
    assert (embedding.video.shape, embedding.text.shape) == ((15, 128), (24, 128))
    assert embedding.done.all()
    assert embedding.video_metadata.named == "demo_teacher.safetensors"
    again = shell(f"fsprep train-teacher --split {mine}/two.toml --epochs 1 --workers 1")
    assert again.exit_code == 2
    assert f"Error: {out}: exists. Choose another file with --out, or replace it with --replace." in again.stderr


@pytest.mark.slow
def test_json_and_unreadable_videos(shell, mine: Path, tmp_path: Path) -> None:
    # With six clips of each class, one may be unreadable or missing.
    shutil.rmtree(mine / "raw")
    shutil.rmtree(mine / "stores")
    draw(mine / "raw" / "demo", (JUMP, SQUAT, BOW), 6)
    assert shell("fsprep build demo --workers 1").exit_code == 0
    names = open_store(mine / STORE).names
    broken, gone = (next(name for name in names if name.endswith(f"A{label + 1:03d}")) for label in (JUMP, SQUAT))
    video(mine / "raw" / "demo", broken).write_bytes(b"RIFF")
    video(mine / "raw" / "demo", gone).unlink()
    words = f"fsprep train-teacher --split {mine}/two.toml --epochs 1 --workers 1 --replace"
    done = shell(f"{words} --json --out {tmp_path}/t.safetensors")
    assert done.exit_code == 3, done.output
    record = json.loads(done.stdout)
    assert record["file"] == f"{tmp_path}/t.safetensors"
    assert ([name for name, _ in record["bad"]], record["missing"]) == ([broken], [gone])
    assert record["provenance"]["base_classes"] == ["jump", "squat"]
    text = shell(words)
    assert text.exit_code == 3
    assert f"  no video: {gone}\n  bad: {broken}: " in text.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--split demo", "every base class needs 5 usable videos; `wave right hand` has 0, `wave left hand` has 0"),
        ("--split demmo", "`demmo` is not one of the splits. Did you mean `demo`?"),
        ("--split ntu_t", "the split `ntu_t` is of `ntu120`"),
        ("--videos nowhere", "nowhere"),
        ("--store nowhere.zarr", "no store there"),
        ("--out t.pt", "t.pt: a teacher is a .safetensors file"),
    ],
)
def test_errors_are_reported_without_a_traceback(
    shell, drawn: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(drawn))
    done = shell(f"fsprep train-teacher --workers 1 {line}")
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert words in done.stderr
    assert not (drawn / "weights").exists()
