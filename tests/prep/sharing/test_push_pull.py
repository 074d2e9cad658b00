"""push and pull: equal on both ends whatever breaks, and nothing incomplete is taken for a store."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.servers import cut, nginx, s3, without_ranges
from helpers.stores import make_store

import prep.storage.remote
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import Step, Work, result
from prep.sharing.pull import pull
from prep.sharing.push import TermsError, push
from prep.sharing.transfer import ShareError
from prep.storage.folder import Folder
from prep.storage.storage import ConnectionLost, StorageError
from prep.store.arrays import SMALL
from prep.store.manifest import MANIFEST, StoreError
from prep.store.read import open_store

SHARD = "joints/c/0/0/0/0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "whole.zarr", clips_per_class=8)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "other.zarr", clips_per_class=8, seed=1)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3(patch) as address:
        yield address


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with nginx(tmp_path / "www") as url:
        yield url, tmp_path / "www"


def run(work: Work[bool]) -> tuple[bool, list[Step]]:
    """What work returns, and its steps."""
    steps = []
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            return stop.value, steps


def transferred(steps: list[Step]) -> list[Step]:
    """The steps that count sent or fetched bytes."""
    return [step for step in steps if not step.stage]


def same(path: Path, whole: Path) -> None:
    assert open_store(path).digest == open_store(whole).digest
    assert sum(1 for _ in verify(open_store(path))) == len(SMALL) + 1
    files = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    original = {file.relative_to(whole).as_posix(): file.read_bytes() for file in whole.rglob("*") if file.is_file()}
    assert {**original, "card.md": files["card.md"]} == files


@pytest.mark.parametrize("kind", ["http", "s3", "file", "path"])
def test_there_and_back(kind: str, whole: Path, tmp_path: Path, bucket: str) -> None:
    out = tmp_path / "back.zarr"

    def trip(target: str) -> None:
        size = sum(entry.bytes for entry in open_store(whole).files.values())
        sent, steps = run(push(open_store(whole), target))
        assert sent
        assert transferred(steps)[-1] == Step(size, size)
        fetched, steps = run(pull(target, out))
        assert fetched
        assert transferred(steps)[-1] == Step(size, size)
        assert steps[-1].stage == "verifying"
        assert run(push(open_store(whole), target))[0] is False

    if kind == "http":
        with nginx(tmp_path / "www") as url:
            trip(f"{url}/a/s.zarr")
    else:
        targets = {"s3": "s3://stores/a/s.zarr", "file": f"file://{tmp_path}/a.zarr", "path": str(tmp_path / "a.zarr")}
        trip(targets[kind])
    same(out, whole)
    assert not out.with_name("back.zarr.pulling").exists()


def test_http_cut_three_times_each_way(web: tuple[str, Path], whole: Path, tmp_path: Path) -> None:
    with cut(web[0], after=300_000, direction="up") as (url, line):
        list(push(open_store(whole), f"{url}/s.zarr"))
        assert line.cuts == 3
    same(web[1] / "s.zarr", whole)
    with cut(web[0], after=300_000) as (url, line):
        list(pull(f"{url}/s.zarr", tmp_path / "back.zarr"))
        assert line.cuts == 3
    same(tmp_path / "back.zarr", whole)


def test_s3_cut_three_times_each_way(whole: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with cut(bucket, after=300_000, direction="up") as (url, line):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        list(push(open_store(whole), "s3://stores/s.zarr"))
        assert line.cuts == 3
    with cut(bucket, after=300_000) as (url, line):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        list(pull("s3://stores/s.zarr", tmp_path / "back.zarr"))
        assert line.cuts == 3
    same(tmp_path / "back.zarr", whole)


def test_received_bytes_are_kept_without_retries(
    web: tuple[str, Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prep.storage.remote, "RETRIES", 0)
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    out, size = tmp_path / "back.zarr", sum(entry.bytes for entry in open_store(whole).files.values())
    with cut(web[0], after=300_000) as (url, line):
        list(pull(f"{url}/s.zarr", out, jobs=1))
        assert line.cuts == 3
        assert line.carried < 1.4 * size
    same(out, whole)


def test_a_stopped_pull_is_continued(web: tuple[str, Path], whole: Path, tmp_path: Path) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    out = tmp_path / "back.zarr"
    steps = pull(f"{web[0]}/s.zarr", out, jobs=1)
    for step in steps:
        if step.done > 200_000:
            break
    steps.close()
    assert not out.exists()
    with pytest.raises(StoreError, match="only a part is fetched. Run the same `fsprep pull` again; it continues"):
        open_store(out)
    with pytest.raises(StoreError, match=r"has no manifest\.json"):
        open_store(out.with_name("back.zarr.pulling") / "store")
    again = list(pull(f"{web[0]}/s.zarr", out, jobs=1))
    assert again[-1].done == again[-1].total
    same(out, whole)


def test_a_partial_file_is_resumed(web: tuple[str, Path], whole: Path, tmp_path: Path) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    out = tmp_path / "back.zarr"
    content = (whole / SHARD).read_bytes()
    partial = tmp_path / "back.zarr.pulling" / "store" / (SHARD + ".partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content[:-1000])
    with cut(web[0], after=10**9) as (url, line):
        list(pull(f"{url}/s.zarr", out))
        assert line.carried < len(content) / 2
    same(out, whole)


@pytest.mark.parametrize("left", [b"rubbish", b"rubbish" * 10**6])
def test_a_partial_file_of_something_else_does_no_harm(
    web: tuple[str, Path], whole: Path, tmp_path: Path, left: bytes
) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    working = tmp_path / "back.zarr.pulling" / "store"
    (working / SHARD).parent.mkdir(parents=True)
    (working / (SHARD + ".partial")).write_bytes(left)
    (working / "stranger").write_bytes(b"of another store")
    list(pull(f"{web[0]}/s.zarr", tmp_path / "back.zarr"))
    same(tmp_path / "back.zarr", whole)


def test_a_shard_damaged_at_the_server_is_fetched_twice_and_refused(
    web: tuple[str, Path], whole: Path, tmp_path: Path
) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    shard = web[1] / "s.zarr" / SHARD
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    log = web[1].with_name("www.nginx") / "access.log"
    before = log.read_text().count(f"GET /s.zarr/{SHARD}")
    with pytest.raises(ShareError, match=f"{SHARD}: its bytes are not those of manifest.json, though fetched twice"):
        list(pull(f"{web[0]}/s.zarr", tmp_path / "back.zarr"))
    assert log.read_text().count(f"GET /s.zarr/{SHARD}") == before + 2
    assert not (tmp_path / "back.zarr").exists()
    with pytest.raises(StoreError):
        open_store(tmp_path / "back.zarr.pulling" / "store")
    list(push(open_store(whole), f"{web[0]}/s.zarr"))  # repairs it
    list(pull(f"{web[0]}/s.zarr", tmp_path / "back.zarr"))
    same(tmp_path / "back.zarr", whole)


@pytest.mark.parametrize("change", ["gone", "longer", "shorter"])
def test_a_shard_of_another_size_is_refused(web: tuple[str, Path], whole: Path, tmp_path: Path, change: str) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    shard = web[1] / "s.zarr" / SHARD
    content = shard.read_bytes()
    shard.unlink()
    if change != "gone":
        shard.write_bytes(content + b"more" if change == "longer" else content[:-4])
    with pytest.raises(ShareError, match=f"{SHARD}.* Push the store again|{SHARD}.*It is damaged there"):
        list(pull(f"{web[0]}/s.zarr", tmp_path / "back.zarr"))
    assert not (tmp_path / "back.zarr").exists()


def test_a_push_that_was_stopped_is_no_store_and_is_continued(web: tuple[str, Path], whole: Path) -> None:
    steps = push(open_store(whole), f"{web[0]}/s.zarr", jobs=1)
    for step in steps:
        if not step.stage and step.done > 100_000:
            break
    steps.close()
    with pytest.raises(StoreError, match=r"no manifest\.json there, so it is no store or not all of it was pushed"):
        open_store(f"{web[0]}/s.zarr")
    log = web[1].with_name("www.nginx") / "access.log"
    sent = {line.split()[6] for line in log.read_text().splitlines() if '"PUT' in line}
    log.write_text("")
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    again = {line.split()[6] for line in log.read_text().splitlines() if '"PUT' in line}
    assert sent
    assert not sent & again
    same(web[1] / "s.zarr", whole)


def test_another_store_is_not_overwritten(web: tuple[str, Path], whole: Path, other: Path) -> None:
    list(push(open_store(other), f"{web[0]}/s.zarr"))
    with pytest.raises(ShareError, match="holds a store with digest .* Choose another URL, or --replace it"):
        list(push(open_store(whole), f"{web[0]}/s.zarr"))
    steps = push(open_store(whole), f"{web[0]}/s.zarr", replace=True)
    while next(steps).stage:
        continue
    steps.close()
    with pytest.raises(StoreError, match="damaged"):
        open_store(f"{web[0]}/s.zarr")
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    same(web[1] / "s.zarr", whole)
    (web[1] / "s.zarr" / MANIFEST).write_text("[]")
    with pytest.raises(ShareError, match="holds a manifest.json of something else"):
        list(push(open_store(whole), f"{web[0]}/s.zarr"))


def test_a_file_altered_here_is_not_sent(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy.zarr"))
    content = bytearray((copy / SHARD).read_bytes())
    content[1000] ^= 1
    (copy / SHARD).write_bytes(content)
    with pytest.raises(StoreError, match="array `joints` is damaged"):
        list(push(open_store(copy), str(tmp_path / "there.zarr")))
    assert not (tmp_path / "there.zarr").exists()


def test_a_storage_that_loses_bytes_is_noticed(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Folder.write

    def lossy(self: Folder, name: str, content: bytes | Path) -> None:
        write(self, name, content)
        if name == SHARD:
            (self.path / name).write_bytes(b"less")

    monkeypatch.setattr(Folder, "write", lossy)
    with pytest.raises(ShareError, match=f"{SHARD} was read back twice with other bytes"):
        list(push(open_store(whole), str(tmp_path / "there.zarr")))
    assert not (tmp_path / "there.zarr" / MANIFEST).exists()


def test_a_full_disk(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written .* The disk is full: free some space"):
        list(push(open_store(whole), str(tmp_path / "there.zarr")))
    assert list((tmp_path / "there.zarr").rglob("*.writing")) == []


def test_a_folder_that_cannot_be_written(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(PrepError, match="cannot be written .* Choose another folder, or change its rights"):
        list(push(open_store(whole), str(tmp_path / "file" / "s.zarr")))
    with pytest.raises(PrepError, match="cannot be written .Not a directory.*Choose another folder"):
        list(pull(str(whole), tmp_path / "file" / "s.zarr"))


def test_too_little_space_is_reported_before_anything_is_fetched(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    with pytest.raises(ShareError, match=r"GB are needed and 0.00 GB free. Free some space"):
        list(pull(str(whole), tmp_path / "back.zarr"))
    assert list((tmp_path / "back.zarr.pulling" / "store").iterdir()) == []


def test_terms_that_forbid_redistribution(tmp_path: Path) -> None:
    path = make_store(tmp_path / "nw.zarr", clips_per_class=1, name="nw_ucla")
    words = "may not be redistributed. Its terms: for research use; no .*--recipe-only.*--i-have-the-right"
    with pytest.raises(TermsError, match="(?s)" + words):
        list(push(open_store(path), str(tmp_path / "there.zarr")))
    assert not (tmp_path / "there.zarr").exists()
    list(push(open_store(path), str(tmp_path / "there.zarr"), have_right=True))
    assert "These terms forbid redistribution" in (tmp_path / "there.zarr" / "card.md").read_text()


def test_a_server_without_ranges_needs_whole_files(web: tuple[str, Path], whole: Path, tmp_path: Path) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    with without_ranges(web[1]) as url:
        with pytest.raises(StorageError, match="the server ignores Range requests"):
            list(pull(f"{url}/s.zarr", tmp_path / "back.zarr"))
        with cut(url, after=300_000, times=10**6) as (bad, _), pytest.raises(StorageError):
            list(pull(f"{bad}/s.zarr", tmp_path / "back.zarr", whole_files=True))
        list(pull(f"{url}/s.zarr", tmp_path / "back.zarr", whole_files=True))
    same(tmp_path / "back.zarr", whole)


def test_a_connection_without_progress_ends_the_pull(
    web: tuple[str, Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    monkeypatch.setattr(prep.storage.remote, "RETRIES", 0)
    monkeypatch.setattr("prep.sharing.pull._check_files", lambda storage, manifest: line.__setattr__("after", 0))
    with cut(web[0], after=10**9, times=10**6) as (url, line), pytest.raises(ConnectionLost, match="it continues"):
        list(pull(f"{url}/s.zarr", tmp_path / "back.zarr"))
    assert not (tmp_path / "back.zarr").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../../escape",
        "/escape",
        "a/../../escape",
        ".hidden",
        MANIFEST,
        "card.md",
        "zarr.json/below",
        "a b",
        "a\nb",
        "sitecustomize.py",
        "label/setup.py",
        "embeddings/x/video/code.so",
    ],
)
def test_a_manifest_that_lists_other_files_writes_nothing(whole: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy.zarr"))
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"][name] = {"bytes": 3, "sha256": "0" * 64}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="which is not a file of a store"):
        list(pull(str(copy), tmp_path / "sub" / "back.zarr"))
    assert not (tmp_path / "sub").exists()


def test_one_pull_at_a_time(whole: Path, tmp_path: Path) -> None:
    first = pull(str(whole), tmp_path / "back.zarr")
    next(first)
    with pytest.raises(PrepError, match="another command is writing here"):
        list(pull(str(whole), tmp_path / "back.zarr"))
    for _ in first:
        continue
    same(tmp_path / "back.zarr", whole)
    assert not result(pull(str(whole), tmp_path / "back.zarr"))
    (tmp_path / "other").mkdir()
    with pytest.raises(ShareError, match="exists, and is not the store at .+ Choose another --out"):
        list(pull(str(whole), tmp_path / "other"))


def test_a_store_is_not_pushed_onto_itself_or_from_a_url(web: tuple[str, Path], whole: Path) -> None:
    with pytest.raises(ShareError, match="is the store itself"):
        list(push(open_store(whole), str(whole)))
    list(push(open_store(whole), f"{web[0]}/s.zarr"))
    with pytest.raises(PrepError, match="is not on this machine. Fetch it first: `fsprep pull http"):
        list(push(open_store(f"{web[0]}/s.zarr"), f"{web[0]}/t.zarr"))
