"""Storage in a local folder: whole files or none, and errors with a remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from prep.storage.folder import Folder
from prep.storage.storage import StorageError


def test_bytes_and_files_are_written_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"from a file")
    folder = Folder(tmp_path / "out")
    folder.write("a/b", b"bytes")
    folder.write("a/c", tmp_path / "source")
    assert folder.read_all({"a/b": 9, "a/c": 99, "absent": 9}) == {"a/b": b"bytes", "a/c": b"from a file"}
    assert folder.sizes(["a/b", "absent"]) == {"a/b": 5}
    assert b"".join(folder.stream("a/c", 5)) == b"a file"
    assert {path.name for path in (tmp_path / "out" / "a").iterdir()} == {"b", "c"}


def test_an_absent_file_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("absent", "file/below"):
        with pytest.raises(FileNotFoundError):
            Folder(tmp_path).read(name)


def test_a_file_without_permission_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "secret").write_bytes(b"")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StorageError, match="secret: you have no permission to read it. Change its permissions"):
        Folder(tmp_path).read("secret")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, r"b: cannot be written \(No space left on device\). The disk is full: free some space"),
        (errno.EFBIG, "The disk is full"),
        (errno.EROFS, "Choose a folder that you may write to, or change its permissions"),
        (errno.EACCES, "Choose a folder that you may write to"),
    ],
)
def test_a_refused_write_is_explained_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    folder = Folder(tmp_path)
    folder.write("b", b"old")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StorageError, match=words):
        folder.write("b", b"new")
    assert folder.read("b") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_larger_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(StorageError, match=r"manifest.json has 60,000,000 bytes, at most 16,777,216 are read"):
        Folder(tmp_path).read("manifest.json", 2**24)


@pytest.mark.parametrize("method", ["read", "stream"])
def test_a_named_pipe_is_not_opened(tmp_path: Path, method: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="pipe: is a named pipe, and only regular files are read. Move it away"):
        b"".join(getattr(Folder(tmp_path), method)("pipe"))
    assert Folder(tmp_path).read_all({"pipe": 9}) == Folder(tmp_path).sizes(["pipe"]) == {}
