"""Headers of .npy and .npz are checked against the size of the file, and names of members never become paths."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prep.errors import BadFile, PrepError
from prep.untrusted.arrays import (
    ArrayOnDisk,
    from_npy,
    npz_names,
    object_offset,
    open_npy,
    open_npz,
    open_stored,
    read_all,
    read_rows,
    to_npy,
)


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def header(descr: str, shape: str, data: bytes = b"", fortran: str = "False", length: int | None = None) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) if length is None else length) + text + data


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f2", "<f8", "u1", "<i8", "?", "<U3", "S4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_every_kind(tmp_path: Path, version: tuple[int, int], kind: str, order: str) -> None:
    array = np.arange(24).reshape(4, 3, 2).astype(kind, order=order)
    (tmp_path / "a.npy").write_bytes(saved(array, version))
    at = open_npy(tmp_path / "a.npy")
    assert (at.shape, np.dtype(at.dtype)) == (array.shape, array.dtype)
    np.testing.assert_array_equal(read_rows(at, 1, 3), array[1:3])
    np.testing.assert_array_equal(read_all(at), array)
    np.testing.assert_array_equal(from_npy(to_npy(array), "here"), array)


def test_python_2_wrote_long_integers(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(header("'<f4'", "(2L, 3L)", b"\0" * 24))
    assert open_npy(tmp_path / "a.npy").shape == (2, 3)


NO_HEADER = "does not begin with the header of a plain .npy"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (header("'<f4'", "(1000000000000, 150)", b"\0" * 600), "promises 600000000000000 bytes.*600 are there"),
        (header("'<f4'", f"({2**62}, {2**62})"), "promises"),
        (header("'<f4'", f"({2**62}, 0)"), "promises 0 bytes"),
        (header("'<f4'", f"({'9' * 900},)"), "has the shape"),
        (header("'<f4'", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", b"\0" * 4), "has the shape"),
        (header("'<f4'", "(True, 3)", b"\0" * 12), "has the shape"),
        (header("'<f4'", "(-2, 3)", b""), "has the shape"),
        (header("'<f4'", "(2, 3)", b"\0" * 23), "promises 24 bytes.*23 are there"),
        (header("'<f4'", "(2, 3)", b"\0" * 25), "promises 24 bytes.*25 are there"),
        (header("'|O'", "(2,)", b"\0" * 16), "holds Python objects, which could run code"),
        (header("[('a', '<f4'), ('b', '|O')]", "(2,)", b"\0" * 24), "holds Python objects"),
        (header("[('a', '<f4')]", "(2,)", b"\0" * 8), "holds `[|]V4`"),
        (header("'<c8'", "(1,)", b"\0" * 8), "holds `<c8`"),
        (header("'|V9999'", "(1,)", b"\0" * 8), "holds `[|]V9999`"),
        (header("'<M8[s]'", "(1,)", b"\0" * 8), "holds `<M8"),
        (header("'<U0'", "(3,)"), "holds `<U0`"),
        (header("'|S0'", "(0,)"), "holds `[|]S0`"),
        (header("'|S2000000000'", "(1,)", b"\0" * 8), "holds `[|]S2000000000`"),
        (header("'<f4'", "__import__('os').getcwd()"), NO_HEADER),
        (header("'<f4'", "(2,)", length=60_000), NO_HEADER),
        (header("()", "(2,)"), NO_HEADER),
        (header("{{1}: 2}", "(2,)"), NO_HEADER),
        (header("'<f4'", "-" * 900 + "1"), NO_HEADER),
        (header("'<f4'", "(" * 900), NO_HEADER),
        (header("'<f4'", f"(0x{'f' * 900},)"), "has the shape"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31), NO_HEADER),
        (b"\x93NUMPY\x04\x00" + b"\0" * 100, "its version is not 1 to 3"),
        (b"PK\3\4", NO_HEADER),
        (b"", NO_HEADER),
        (b"\x93NUMPY\x01\x00\x05\x00((((( ", NO_HEADER),
    ],
)
def test_headers_that_are_not_believed(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(PrepError, match=f"a.npy: .*{words}"):
        open_npy(tmp_path / "a.npy")
    with pytest.raises(BadFile, match=f"here: .*{words}"):
        from_npy(data, "here")


def test_an_absent_file_and_one_that_shrinks(tmp_path: Path) -> None:
    with pytest.raises(PrepError, match="cannot be read"):
        open_npy(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(saved(np.zeros((4, 3))))
    at = open_npy(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(saved(np.zeros((4, 3)))[:-1])
    with pytest.raises(BadFile, match="has become shorter"):
        read_rows(at, 3, 4)
    with pytest.raises(BadFile, match="has no rows 4 to 5"):
        read_rows(at, 4, 5)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(BadFile, match="cannot be read"):
        read_rows(at, 0, 1)


def test_labels_are_not_as_large_as_joints() -> None:
    with pytest.raises(PrepError, match="where labels or names belong"):
        read_all(ArrayOnDisk("a.npy", 0, "<f4", (2**30, 150)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_members_of_an_npz(tmp_path: Path, save) -> None:
    x, y = np.arange(60, dtype=np.float32).reshape(5, 12), np.arange(5)
    save(tmp_path / "a.npz", x=x, y=y)
    assert npz_names(tmp_path / "a.npz") == ["x", "y"]
    arrays = open_npz(tmp_path / "a.npz", ["x", "y", "z"], tmp_path / "scratch")
    assert list(arrays) == ["x", "y"]
    np.testing.assert_array_equal(read_rows(arrays["x"], 2, 4), x[2:4])
    np.testing.assert_array_equal(read_all(arrays["y"]), y)
    if save is np.savez:  # read inside the zip
        assert arrays["x"].path == str(tmp_path / "a.npz")
        assert open_stored(tmp_path / "a.npz", "x") == arrays["x"]


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path.read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_seen(tmp_path: Path, method: int) -> None:
    array = np.random.default_rng(0).integers(0, 255, 5000).astype(np.uint8)
    data = bytearray(packed(tmp_path / "a.npz", {"x.npy": saved(array)}, method))
    data[2000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(BadFile, match="x.npy: cannot be unpacked .*(CRC|invalid)"):
        open_npz(tmp_path / "a.npz", ["x"], tmp_path / "scratch")
    assert not list((tmp_path / "scratch").glob("*"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_promises_terabytes(tmp_path: Path, method: int) -> None:
    packed(tmp_path / "a.npz", {"x.npy": header("'<f4'", "(1000000000000, 150)", b"\0" * 600)}, method)
    with pytest.raises(BadFile, match="promises 600000000000000 bytes"):
        open_npz(tmp_path / "a.npz", ["x"], tmp_path / "scratch")
    assert not list((tmp_path / "scratch").glob("*"))


def test_a_zip_that_promises_more_than_can_be_packed(tmp_path: Path) -> None:
    data = bytearray(packed(tmp_path / "a.npz", {"x.npy": saved(np.zeros(100))}, zipfile.ZIP_DEFLATED))
    central = data.rindex(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<I", 2**31)
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(BadFile, match="promises 2147483648 bytes from"):
        open_npz(tmp_path / "a.npz", ["x"], tmp_path / "scratch")


def test_zips_that_contradict_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    valid = packed(path, {"x.npy": saved(np.zeros(100))})
    longer = bytearray(valid)
    central = valid.rindex(b"PK\1\2")
    longer[central + 24 : central + 28] = struct.pack("<I", len(saved(np.zeros(100))) + 8)
    path.write_bytes(longer)
    with pytest.raises(BadFile, match="cannot be unpacked|contradicts|promises"):
        open_npz(path, ["x"], tmp_path / "scratch")
    with pytest.raises(BadFile, match="contradicts itself"):
        open_stored(path, "x")
    path.write_bytes(valid[: len(valid) // 2])
    with pytest.raises(PrepError, match="is not a readable .npz"):
        open_npz(path, ["x"], tmp_path / "scratch")
    double = packed(path, {"x.npy": saved(np.zeros(1)), "z.npy": saved(np.ones(1))})
    path.write_bytes(double.replace(b"z.npy", b"x.npy"))
    with pytest.raises(PrepError, match="holds two arrays `x`"):
        npz_names(path)


def version_25_5(data: bytearray) -> None:
    data[data.rindex(b"PK\1\2") + 6] = 255


def name_that_is_not_utf8(data: bytearray) -> None:
    central = data.rindex(b"PK\1\2")
    data[central + 9] |= 0x08  # the flag that says UTF-8
    data[central + 46] = 0xFF


@pytest.mark.parametrize("damage", [version_25_5, name_that_is_not_utf8])
def test_directories_that_zipfile_cannot_read(tmp_path: Path, damage: Callable[[bytearray], None]) -> None:
    path = tmp_path / "a.npz"
    data = bytearray(packed(path, {"x.npy": saved(np.zeros(3))}))
    damage(data)
    path.write_bytes(data)
    with pytest.raises(PrepError, match="a.npz: is not a readable .npz .*Fetch it again"):
        open_npz(path, ["x"], tmp_path / "scratch")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_of_every_method(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.npz"
    data = bytearray(packed(path, {"x.npy": saved(np.random.default_rng(0).random(100))}, method))
    data[40:80] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(BadFile, match="x.npy: (cannot be unpacked|does not begin)"):
        open_npz(path, ["x"], tmp_path / "scratch")


def test_the_checksum_of_a_stored_member_is_verified_once(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    first = open_npz(path, ["x"], tmp_path / "scratch")
    (verified,) = (tmp_path / "scratch").iterdir()
    before = verified.stat().st_mtime_ns
    assert open_npz(path, ["x"], tmp_path / "scratch") == first
    assert verified.stat().st_mtime_ns == before


@pytest.mark.parametrize("read", [open_npy, npz_names, lambda path: open_stored(path, "x")])
def test_a_named_pipe_is_refused_at_once(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(BadFile, match="a: is a named pipe, and only regular files are read"):
        read(tmp_path / "a")


def test_the_offset_of_one_object() -> None:
    file = io.BytesIO()
    np.save(file, np.array({"a": 1}, object), allow_pickle=True)
    assert object_offset(file.getvalue(), "here") == 128
    with pytest.raises(BadFile, match="is not one object"):
        object_offset(saved(np.zeros(1)), "here")
