"""Raw files in folders and zips are found, and read completely or refused."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from prep.errors import BadFile, PrepError
from prep.untrusted.files import (
    ANY_RATIO_SIZE,
    LARGEST,
    find_sources,
    load_bytes,
    load_head,
    load_text,
    walk,
    without_mark,
)
from prep.untrusted.unread import unread


def find(raw: Path) -> list[str]:
    return [source.name for source in find_sources(raw, ".txt")]


def pack(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"inside/{name}.txt", data)
    return path


def test_folders_and_zips_mix_and_come_sorted(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.txt").write_bytes(b"C")
    (tmp_path / "a.txt").write_bytes(b"A")
    (tmp_path / "notes.md").write_bytes(b"no")
    pack(tmp_path / "one.zip", d=b"D")
    pack(tmp_path / "deep" / "two.zip", b=b"B")
    sources = find_sources(tmp_path, ".txt")
    assert "".join(source.name for source in sources) == "abcd"
    assert b"".join(load_bytes(source) for source in sources) == b"ABCD"


def test_raw_may_be_a_zip(tmp_path: Path) -> None:
    (source,) = find_sources(pack(tmp_path / "all.zip", a=b"text"), ".txt")
    assert (source.name, source.member, load_bytes(source)) == ("a", "inside/a.txt", b"text")


def test_shadow_files_of_other_systems_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "._a.txt").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("__MACOSX/._b.txt", b"")
        archive.writestr("b.txt", b"")
    assert find(tmp_path) == ["b"]


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.txt").write_bytes(b"")
    (tmp_path / "raw" / "near").symlink_to(tmp_path / "far")
    (tmp_path / "raw" / "circle").symlink_to(tmp_path / "raw")
    assert find(tmp_path / "raw") == ["a"]


def test_a_link_to_nothing_is_one_bad_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "b.txt").write_bytes(b"b")
    absent, there = find_sources(tmp_path, ".txt")
    assert (absent.name, absent.size, absent.stamp) == ("a", 0, "absent")
    with pytest.raises(BadFile, match=r"a.txt: cannot be read \(.*No such file"):
        load_bytes(absent)
    assert load_bytes(there) == b"b"


def test_two_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    pack(tmp_path / "one.zip", a=b"")
    with pytest.raises(PrepError, match=r"a\.txt and .*one\.zip: inside/a\.txt have the same name\. Move one"):
        find(tmp_path)


def test_absent_empty_and_broken_inputs_give_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(PrepError, match=r"gone: there is no such folder or zip\."):
        find(tmp_path / "gone")
    assert find(tmp_path) == []
    (tmp_path / "half.zip").write_bytes(b"PK\3\4half")
    assert find(tmp_path) == []
    ((name, reason),) = unread(tmp_path, frozenset()).refused
    assert name == "half.zip"
    assert re.search(r"half\.zip: is not a readable zip .*Fetch it again, or move it away", reason)


def test_the_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"1")
    (before,) = find_sources(tmp_path, ".txt")
    os.utime(path, ns=(1, 1))
    (after,) = find_sources(tmp_path, ".txt")
    assert before.stamp != after.stamp == "1-1"
    first = find_sources(pack(tmp_path / "1.zip", b=b"x"), ".txt")[0].stamp
    assert first != find_sources(pack(tmp_path / "2.zip", b=b"y"), ".txt")[0].stamp


def test_a_file_that_changed_since_it_was_listed_is_bad(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1234")
    (source,) = find_sources(tmp_path, ".txt")
    for text in (b"12345", b"123"):
        (tmp_path / "a.txt").write_bytes(text)
        with pytest.raises(BadFile, match=r"a\.txt: was 4 bytes when listed and is not now\. Run again"):
            load_bytes(source)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(BadFile, match=r"cannot be read .*Fetch it again"):
        load_bytes(source)


def test_announced_sizes_are_checked(tmp_path: Path) -> None:
    (source,) = find_sources(pack(tmp_path / "1.zip", a=b"0" * 1000), ".txt")
    with pytest.raises(BadFile, match=f"a raw file has at most {LARGEST}"):
        load_bytes(replace(source, size=LARGEST + 1))
    with pytest.raises(BadFile, match="was 10 bytes when listed"):
        load_bytes(replace(source, size=10))


def test_a_damaged_member_is_bad_and_its_neighbours_are_not(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as archive:  # stored, so the text can be found and altered
        archive.writestr("a.txt", b"hello")
        archive.writestr("b.txt", b"world")
    packed = (tmp_path / "1.zip").read_bytes()
    (tmp_path / "1.zip").write_bytes(packed.replace(b"hello", b"hallo"))
    first, second = find_sources(tmp_path, ".txt")
    with pytest.raises(BadFile, match=r"1\.zip: a\.txt: cannot be read \(Bad CRC"):
        load_bytes(first)
    assert load_bytes(second) == b"world"


def test_several_of_one_name_are_walked_and_their_heads_read(tmp_path: Path) -> None:
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "c.txt").write_bytes(folder.encode() * 9)
    pack(tmp_path / "z.zip", c=b"z" * 9)
    assert sorted(load_head(source, 3) for source in walk(tmp_path, ".txt")) == [b"aaa", b"bbb", b"zzz"]
    (gone,) = [replace(source, path=source.path + ".gone") for source in walk(tmp_path / "a", ".txt")]
    with pytest.raises(BadFile, match="cannot be read"):
        load_head(gone, 3)


def test_a_named_pipe_is_one_bad_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_bytes(b"b")
    pipe, file = find_sources(tmp_path, ".txt")
    with pytest.raises(BadFile, match=r"a\.txt: is a named pipe, and only regular files are read\. Move it away"):
        load_bytes(pipe)
    assert load_bytes(file) == b"b"


def test_devices_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("/dev/zero")
    (source,) = find_sources(tmp_path, ".txt")
    with pytest.raises(BadFile, match=r"a\.txt: is a device"):
        load_head(source, 10)


def test_a_pipe_in_place_of_a_zip_or_of_the_raw_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    for raw in (tmp_path, tmp_path / "a.zip"):
        assert find(raw) == []
        ((_, reason),) = unread(raw, frozenset()).refused
        assert "a.zip: is a named pipe" in reason


def damaged(path: Path, at: int, value: int, method: int = zipfile.ZIP_STORED) -> None:
    """A zip with one byte of its directory changed, counted from the entry's signature."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.txt", b"hello" * 100)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\1\2") + at] = value
    path.write_bytes(data)


@pytest.mark.parametrize(("at", "value"), [(6, 255), (46, 0xFF)], ids=["version 25.5", "name not UTF-8"])
def test_directories_that_zipfile_cannot_read(tmp_path: Path, at: int, value: int) -> None:
    damaged(tmp_path / "1.zip", at, value)
    if at == 46:
        data = bytearray((tmp_path / "1.zip").read_bytes())
        data[data.rindex(b"PK\1\2") + 9] |= 0x08  # the flag that says UTF-8
        (tmp_path / "1.zip").write_bytes(data)
    (tmp_path / "b.txt").write_bytes(b"")
    assert find(tmp_path) == ["b"]
    ((_, reason),) = unread(tmp_path, frozenset()).refused
    assert re.search(r"1\.zip: is not a readable zip .*Fetch it again, or move it away", reason)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_of_every_method_is_bad(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w", method) as archive:
        archive.writestr("a.txt", os.urandom(500))
    data = bytearray((tmp_path / "1.zip").read_bytes())
    data[37:80] = bytes(43)
    (tmp_path / "1.zip").write_bytes(data)
    (source,) = find_sources(tmp_path, ".txt")
    with pytest.raises(BadFile, match=r"1\.zip: a\.txt: cannot be read"):
        load_bytes(source)


def test_endings_in_upper_case_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_bytes(b"a")
    pack(tmp_path / "ALL.ZIP", b=b"b")
    assert [(source.name, load_bytes(source)) for source in find_sources(tmp_path, ".txt")] == [
        ("a", b"a"),
        ("b", b"b"),
    ]


def test_backslashes_in_a_zip_part_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as archive:
        archive.writestr("folder\\", b"")
        archive.writestr("folder\\a.txt", b"A")
    (source,) = find_sources(tmp_path, ".txt")
    assert (source.name, source.member, load_bytes(source)) == ("a", "folder/a.txt", b"A")


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    for name, code in (("a", "utf-8-sig"), ("b", "utf-16"), ("c", "utf-8")):
        (tmp_path / f"{name}.txt").write_bytes("1 2\n".encode(code))
    assert [load_text(source) for source in find_sources(tmp_path, ".txt")] == [b"1 2\n"] * 3
    with pytest.raises(BadFile, match=r"here: begins with the byte order mark of UTF-16 and is no such text .*UTF-8"):
        without_mark(b"\xff\xfe1", "here")


def test_a_member_that_would_fill_the_memory_is_one_bad_file(tmp_path: Path) -> None:
    large = ANY_RATIO_SIZE + 1
    pack(tmp_path / "1.zip", a=bytes(large), b=bytes(large - 1))
    bomb, zeros = find_sources(tmp_path, ".txt")
    with pytest.raises(
        BadFile, match=rf"a\.txt: promises {large} bytes from \d+; .* at most 100 to 1\. Fetch it again"
    ):
        load_bytes(bomb)
    assert len(load_bytes(zeros)) == large - 1


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as archive:
        archive.writestr("a.txt", b"x" * 10_000)
        copies = [zipfile.ZipInfo(f"{number}.txt") for number in range(50)]
        for copy in copies:
            for name in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(copy, name, getattr(archive.filelist[0], name))
        archive.filelist += copies
    assert find(tmp_path) == []
    ((_, reason),) = unread(tmp_path, frozenset()).refused
    assert "its members overlap" in reason


def test_what_is_not_read_is_named_by_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    for name in ("1.md", "2.MD", "no ending", "more.rar", "S001_rgb.AVI", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"")
        archive.writestr("b.txt", b"")
    seen = {
        source.path if not source.member else f"{source.path}: {source.member}" for source in walk(tmp_path, ".txt")
    }
    assert [remark.replace(f"{tmp_path}/", "") for remark in unread(tmp_path, seen).remarks] == [
        "not read: more.rar; only .zip archives are read. Unpack it into the folder, or move it away.",
        "not read: outer.zip: inner.zip; archives inside a zip are not unpacked. "
        "Unpack it into the folder, or move it away.",
        "2 files `.md` not read, for example 1.md",
        "1 file `.avi` not read, for example S001_rgb.AVI; `fsprep embed-videos` reads videos",
        "1 file without an ending not read, for example no ending",
    ]


def test_many_kinds_are_folded(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"a.x{number}").write_bytes(b"")
    remarks = unread(tmp_path, frozenset()).remarks
    assert len(remarks) == 9
    assert remarks[-1] == "4 files of 4 other kinds not read"


def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.txt").write_bytes(b"")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # whoever runs the tests may enter any folder
    assert find(tmp_path) == ["a"]
    ((name, reason),) = unread(tmp_path, frozenset()).refused
    assert name == "shut"
    assert reason.endswith("the folder cannot be entered (Permission denied). Change its rights, or move it away.")
