"""Writing files: whole or not at all, by one writer, with an explanation where the disk refuses."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from filelock import FileLock

from prep import files
from prep.errors import PrepError
from prep.files import HOLDER, LOCK, WRITING, atomic_write, clear, disk_errors, flush, locked, publish, remove, writing


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_temporary(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def interrupted() -> None:
        with writing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert contents(tmp_path) == {"a.json"}


def test_an_exception_before_anything_is_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="early"), writing(tmp_path / "a"):
        raise ValueError("early")
    assert contents(tmp_path) == set()


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with writing(tmp_path / "a") as temporary:
            temporary.mkdir()
            (temporary / "file").write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        interrupted()
    assert contents(tmp_path) == set()
    with writing(tmp_path / "a") as temporary:
        temporary.mkdir()
        (temporary / "file").write_text("whole")
    assert (tmp_path / "a" / "file").read_text() == "whole"


@pytest.mark.parametrize("content", ["größe", "größe".encode(), lambda file: file.write("größe".encode())])
def test_text_bytes_and_functions_are_written(tmp_path: Path, content: object) -> None:
    atomic_write(tmp_path / "a", content)  # type: ignore[arg-type]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "größe"
    assert contents(tmp_path) == {"a"}


def test_the_content_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (events.append("replace"), replace(path, target)))
    atomic_write(tmp_path / "a", b"content")
    assert events == ["fsync", "replace", "fsync"]  # the last one for the name in the folder


def test_a_folder_is_flushed_with_everything_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text("x")
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    flush(tmp_path)
    assert set(flushed) == {str(tmp_path), str(tmp_path / "deep"), str(tmp_path / "deep" / "file")}


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom prep.files import locked, writing\n"
        "with locked(Path(sys.argv[1])), writing(Path(sys.argv[1]) / 'a') as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert any(name.endswith(WRITING) for name in contents(tmp_path))
    with locked(tmp_path):  # the lock ended with its process, and the leftover is cleared
        assert contents(tmp_path) == {"a", LOCK, HOLDER}


def test_a_second_writer_is_refused_and_the_lock_is_released(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        locked(folder),
        pytest.raises(
            PrepError, match=rf"out: another command is writing here, process {os.getpid()} on .*\. Wait for it"
        ),
        locked(folder),
    ):
        pytest.fail("two writers")
    with locked(folder):
        pass
    assert not folder.exists()


def test_another_process_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom prep.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        rule = f"another command is writing here, process {process.pid} on "
        with pytest.raises(PrepError, match=rule), locked(tmp_path):
            pytest.fail("two writers")
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 10
    while True:
        try:
            with locked(tmp_path):
                return
        except PrepError:
            assert time.monotonic() < deadline


@pytest.mark.slow
def test_a_holder_that_has_not_written_its_number_is_refused_too(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / HOLDER).unlink()
        with pytest.raises(PrepError, match="is writing here, a process that does not give"), locked(tmp_path):
            pytest.fail("two writers")


def test_a_refused_writer_clears_nothing(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / f"a{WRITING}").write_text("in progress")
        with pytest.raises(PrepError), locked(tmp_path):
            pytest.fail("two writers")
        assert (tmp_path / f"a{WRITING}").exists()


def test_a_folder_that_its_last_writer_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, acquire, removed = tmp_path / "s.building", FileLock.acquire, []

    def after_removal(lock: FileLock, timeout: float) -> object:
        if not removed:
            removed.append(folder.rmdir())
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", lock.lock_file)
        return acquire(lock, timeout=timeout)

    monkeypatch.setattr(FileLock, "acquire", after_removal)
    with locked(folder):
        assert sorted(path.name for path in folder.iterdir()) == sorted([HOLDER, LOCK])
    assert removed == [None]
    assert not folder.exists()


def test_a_folder_into_which_another_writer_comes_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rmdir = tmp_path / "s.building", Path.rmdir

    def late(path: Path) -> None:
        (path / LOCK).write_text("of the next writer")
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", late)
    with locked(folder):
        pass
    assert [path.name for path in folder.iterdir()] == [LOCK]


def test_the_lock_is_released_after_an_error_and_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def broken() -> None:
        with locked(folder):
            (folder / "part").write_text("x")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert contents(folder) == {"part"}
    with locked(folder):
        pass


def test_leftovers_are_cleared_in_every_subfolder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"a.1{WRITING}").write_text("half")
    (tmp_path / f"b.2{WRITING}").mkdir()
    (tmp_path / f"b.2{WRITING}" / "file").write_text("half")
    (tmp_path / "kept.writing.txt").write_text("kept")
    with locked(tmp_path):
        assert contents(tmp_path) == {"deep", "kept.writing.txt", LOCK, HOLDER}
        assert contents(tmp_path / "deep") == set()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), "out: the disk is full, or a size limit was reached. Free some space"),
        (OSError(errno.EDQUOT, "x"), "the disk is full"),
        (OSError(errno.EFBIG, "x"), "a size limit was reached"),
        (OSError("255360 requested and 992 written"), "the disk is full"),
        (OSError(errno.EROFS, "x"), r"out: cannot be written \(Read-only file system\). Choose another folder"),
        (FileExistsError(errno.EEXIST, "x", "a"), r"a: cannot be written \(File exists\). Choose another folder"),
        (IsADirectoryError(errno.EISDIR, "x"), r"out: cannot be written \(Is a directory\)"),
        (OSError(errno.EIO, "x"), r"out: cannot be written \(Input/output error\)"),
        (PermissionError(errno.EACCES, "x", "/locked/a"), r"/locked/a: cannot be written \(Permission denied\)"),
    ],
    ids=str,
)
def test_errors_of_the_disk_are_explained(error: OSError, words: str) -> None:
    with pytest.raises(PrepError, match=words) as caught, disk_errors(Path("out")):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), OSError("odd"), ValueError("odd")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, disk_errors(Path("out")):
        raise error
    assert caught.value is error


def test_a_short_write_of_numpy_is_a_full_disk(tmp_path: Path) -> None:
    """numpy's own error, on a device that is always full."""
    with (
        pytest.raises(PrepError, match="the disk is full"),
        disk_errors(tmp_path),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        np.zeros(100_000).tofile(file)


def test_a_full_disk_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "a", b"old")

    def full(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PrepError, match="the disk is full"), disk_errors(tmp_path):
        atomic_write(tmp_path / "a", full)

    def full_at_the_flush(path: Path) -> None:
        raise OSError(errno.ENOSPC, f"No space left on device: {path}")

    monkeypatch.setattr(files, "flush", full_at_the_flush)
    with pytest.raises(PrepError, match="the disk is full"), disk_errors(tmp_path):
        atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert contents(tmp_path) == {"a"}


def test_remove_takes_links_and_not_their_targets(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "absent")
    assert contents(tmp_path) == {"kept"}


def test_what_is_complete_gets_its_name_and_replaces_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    publish(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "a"
    (tmp_path / "c").write_text("c")
    for complete in ("b", "c"):
        with pytest.raises(PrepError, match="out: another command wrote it meanwhile. Run the same command again."):
            publish(tmp_path / complete, tmp_path / "out")
    publish(tmp_path / "c", tmp_path / "file")
    (tmp_path / "d").write_text("d")
    with pytest.raises(PrepError, match="file: another command wrote it meanwhile"):
        publish(tmp_path / "d", tmp_path / "file")
    assert ((tmp_path / "out" / "file").read_text(), (tmp_path / "file").read_text()) == ("a", "c")


def test_a_folder_is_cleared_but_for_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with locked(folder):
        (folder / "parts").mkdir()
        (folder / "parts" / "a").write_text("a")
        (folder / "b").write_text("b")
        clear(folder)
        assert contents(folder) == {LOCK, HOLDER}
    assert not folder.exists()
