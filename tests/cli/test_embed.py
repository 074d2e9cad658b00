"""fsprep embed-videos, embed-text and import-embeddings as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from prep.store.embeddings import open_embedding, vision_language
from prep.store.read import open_store

CLIPS = 48
STORE = "stores/demo-agcn.zarr"


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a small demo, its videos and its store."""
    from helpers.shell import Shell

    home = tmp_path_factory.mktemp("filmed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(home))
        for line in (f"fsprep demo --clips {CLIPS} --videos", "fsprep build demo --workers 1"):
            done = Shell()(line)
            assert done.exit_code == 0, done.output
    return home


@pytest.fixture
def mine(filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change."""
    shutil.copytree(filmed, tmp_path / "home")
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_videos_and_names_to_their_sum(shell, mine: Path) -> None:
    done = shell("fsprep embed-videos --encoder tiny --workers 1")
    assert done.exit_code == 0, done.output
    assert f"{CLIPS} of {CLIPS} clips have a vector of" in done.stdout
    assert "RANDOM weights" in done.stdout
    assert "waiting for decoding" in done.stdout
    texts = shell("fsprep embed-text --encoder tiny --prompts person")
    assert texts.exit_code == 0, texts.output
    assert '24 class names as "a video of a person {}"' in texts.stdout
    embedding = open_embedding(open_store(mine / STORE), "tiny")
    both, there = vision_language(embedding)
    assert there.all()
    np.testing.assert_array_equal(both, embedding.video + embedding.text[embedding.store.label])
    output = shell(f"fsprep info {mine / STORE}").stdout
    assert "tiny" in output
    assert "RANDOM weights" in output
    assert shell(f"fsprep verify {mine / STORE}").exit_code == 0
    again = shell("fsprep embed-videos --encoder tiny --workers 1 --json")
    assert json.loads(again.stdout)["fresh"] == 0
    assert "Nothing new to embed" in shell("fsprep embed-text --encoder tiny --prompts person").stdout


def test_what_is_bad_or_missing_is_named_and_the_exit_status_says_so(shell, mine: Path) -> None:
    videos = sorted((mine / "raw" / "demo" / "nturgb+d_rgb").iterdir())
    videos[3].write_bytes(videos[3].read_bytes()[:4000])
    videos[4].write_bytes(b"")
    videos[5].unlink()
    done = shell("fsprep embed-videos --encoder tiny --workers 1")
    assert done.exit_code == 3
    assert f"{CLIPS - 3} of {CLIPS} clips" in done.stdout
    for path, word in ((videos[3], "bad: "), (videos[4], "bad: "), (videos[5], "no video: ")):
        assert word + path.stem.removesuffix("_rgb") in done.stdout
    facts = json.loads(shell("fsprep embed-videos --encoder tiny --workers 1 --json").stdout)
    assert [name for name, _ in facts["bad"]] == [path.stem.removesuffix("_rgb") for path in videos[3:5]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("embed-videos --encoder xklip", "`xklip` is not one of the encoders. Did you mean `xclip`?"),
        (
            "embed-videos --encoder nowhere.py",
            "no such file. Shipped encoders: actionclip, clip, demo_teacher, tiny, xclip",
        ),
        ("embed-videos --encoder tiny --weights mine.pt", "mine.pt"),
        ("embed-videos --encoder xclip --weights ./nowhere", "nowhere"),
        ("embed-videos --encoder demo_teacher", "Train them with `fsprep train-teacher`, then --weights FILE."),
        ("embed-videos --encoder actionclip", "its weights are not public by name"),
        ("embed-videos --encoder tiny --name Tiny/..", "is not 1 to 64 of a-z, 0-9, - and _"),
        ("embed-videos --encoder tiny --store nowhere.zarr", "no store there"),
        ("embed-videos --encoder tiny --videos nowhere", "nowhere"),
        ("embed-videos --encoder tiny --device cuda:7", "cuda"),
        ("embed-text --encoder tiny --prompts barre", "`barre` is not one of the prompts. Did you mean `bare`?"),
        ("embed-text --encoder tiny --prompt nothing", "template `nothing` must hold `{}` once"),
        ("import-embeddings nowhere.npz --name x", "nowhere.npz"),
    ],
)
def test_errors_are_reported_without_a_traceback(
    shell, filmed: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(filmed))
    done = shell(f"fsprep {line}")
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert not open_store(filmed / STORE).manifest.embedded


def test_the_store_is_named_where_there_are_several(shell, mine: Path) -> None:
    shutil.copytree(mine / STORE, mine / "stores" / "other.zarr")
    done = shell("fsprep embed-videos --encoder tiny")
    assert done.exit_code == 2
    assert "name the store with --store; there are: demo-agcn.zarr, other.zarr" in done.stderr


def test_imported_vectors_stand_beside_the_others(shell, mine: Path, tmp_path: Path) -> None:
    store = open_store(mine / STORE)
    np.savez(tmp_path / "f.npz", names=np.array(store.names[1:]), video=np.ones((CLIPS - 1, 3), np.float32))
    done = shell(f"fsprep import-embeddings {tmp_path / 'f.npz'} --name x_florence --description X-Florence")
    assert done.exit_code == 0, done.output
    assert f"{CLIPS - 1} of {CLIPS} clips have a vector" in done.stdout
    assert f"1 clips have no vector; the first is {store.names[0]}" in done.stdout
    assert "x_florence" in shell(f"fsprep info {mine / STORE}").stdout


@pytest.mark.slow
def test_killed_in_the_middle_with_a_broken_video_it_ends_as_if_nothing_had_been(shell, mine: Path) -> None:
    video = sorted((mine / "raw" / "demo" / "nturgb+d_rgb").iterdir())[7]
    video.write_bytes(video.read_bytes()[:5000])
    shutil.copytree(mine / STORE, mine / "whole.zarr")
    command = ["fsprep", "embed-videos", "--encoder", "tiny", "--workers", "2", "--batch", "4", "--json", "--store"]
    whole = json.loads(shell([*command, str(mine / "whole.zarr")]).stdout)
    chunks = mine / f"{STORE}.embedding" / "tiny"
    code = "import sys; from cli.fsprep import main; main(sys.argv[1:])"
    running = subprocess.Popen(
        [sys.executable, "-c", code, *command[1:], str(mine / STORE)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(chunks.glob("*.npz")) and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not open_store(mine / STORE).manifest.embedded, "it was too quick to be killed"
    resumed = json.loads(shell([*command, str(mine / STORE)]).stdout)
    assert resumed["digest"] == whole["digest"]
    assert resumed["bad"] == whole["bad"]
    assert [name for name, _ in resumed["bad"]] == [video.stem.removesuffix("_rgb")]
