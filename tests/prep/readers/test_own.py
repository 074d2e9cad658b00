"""The reader of your own datasets: which files it accepts, and the messages for the others."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.synthetic_own import clips, joints, write_own
from scipy.io import savemat

from manifests.custom import read_custom
from manifests.facts import dataset
from manifests.strict import InvalidValue
from prep.clip import Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, format_named
from prep.readers._mat import MatError, from_mat
from prep.readers.own import find, read
from prep.untrusted.files import load_bytes

NAME = "a02_s3_e0"


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read_custom(write_own(tmp_path_factory.mktemp("own"))).data


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def npz(compressed: bool = True, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def source(ending: str, name: str = NAME, label: int = 1) -> Source:
    return Source(name, f"clips/{name}{ending}", "", 0, "", label)


def found_in(manifest: Path) -> FindResult:
    return find(FindRequest(manifest, read_custom(manifest).data))


def mat(array: Any, name: str = "joints", **more: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, {name: array, **more}, do_compression=True)
    return file.getvalue()


def mat_73(array: Any, name: str = "joints") -> bytes:
    """As MATLAB's -v7.3 writes it: HDF5 after a block of 512 bytes, axes reversed."""
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as target:
        target.create_dataset(name, data=np.asarray(array).T, compression="gzip")
        target.create_group("#refs#")
    return b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM" + file.getvalue()[128:]


def lines(array: Any, separator: str = ",", header: str = "") -> bytes:
    """A line per frame; every body after the other."""
    rows = np.asarray(array, np.float64).reshape(len(array), -1)
    return (header + "".join(separator.join(map(repr, row.tolist())) + "\n" for row in rows)).encode()


WAYS: dict[str, Callable[[Any], bytes]] = {
    ".npy": npy,
    ".npz": lambda array: npz(joints=array, other=np.zeros(3)),
    " .npz": lambda array: npz(joints=array, compressed=False),
    ".json": lambda array: json.dumps(np.asarray(array, np.float64).tolist()).encode(),
    " .json": lambda array: json.dumps({"joints": np.asarray(array, np.float64).tolist(), "who": "me"}).encode(),
    ".mat": lambda array: mat(array, fps=30.0, notes=np.array(["x", "y"], object)),
    " .mat": lambda array: mat(array, name="skeleton"),
    "  .mat": mat_73,
    ".csv": lambda array: lines(array, header="\ufeffx0,y0,z0\n"),
    " .csv": lambda array: lines(array, " ; "),
    ".txt": lambda array: lines(array, " "),
    " .txt": lambda array: lines(array, "\t").replace(b"\n", b"\r\n\r\n"),
}


@pytest.mark.parametrize("ending", WAYS)
def test_every_number_of_a_file_arrives(facts: Any, ending: str) -> None:
    two = np.stack([joints(1, 3), joints(2, 3)], axis=1)
    two[5:, 1] = 0
    two[7, 0] = 0
    for array, bodies in ((joints(1, 3), [1] * 20), (two, [2] * 5 + [1, 1, 0] + [1] * 12)):
        one = read(source(ending.strip()), WAYS[ending](array), facts)
        assert (one.name, one.label, one.subject, one.repetition, one.camera, one.setup) == (NAME, 1, 3, 0, -1, -1)
        assert one.bodies_per_frame.tolist() == bodies
        shown = array[:, None] if array.ndim == 3 else array
        np.testing.assert_array_equal(one.joints, shown[shown.any((2, 3))])
        assert one.body_id.tolist() == [m for count in bodies for m in range(count)]
        assert one.joints.dtype == np.float32


def test_the_joints_of_a_file_may_have_another_order(facts: Any) -> None:
    array, order = joints(1, 3), (2, -1, 6, 0, 1, 3, 4, 5)
    stored = np.full((20, 8, 3), 9.0)
    for position, joint in enumerate(order):
        if joint >= 0:
            stored[:, position] = array[:, joint]
    one = read(source(".npy"), npy(stored), replace(facts, joint_order=order))
    np.testing.assert_array_equal(one.joints, array)
    one = read(source(".txt"), lines(stored), replace(facts, joint_order=order))
    np.testing.assert_array_equal(one.joints, array)
    with pytest.raises(BadFile, match=r"has shape \(20, 7, 3\); it must be frames x 8 joints x 3 numbers"):
        read(source(".npy"), npy(array), replace(facts, joint_order=order))


def test_packed_numbers_are_unpacked_up_to_the_size_of_a_clip() -> None:
    for packed in (mat(np.zeros((500, 7, 3))), mat_73(np.zeros((500, 7, 3)))):
        assert len(packed) < 10_000
        with pytest.raises(MatError, match="holds an array of more than 50000 bytes"):
            from_mat(packed, "joints", 50_000)
        assert from_mat(packed, "joints", 100_000).shape == (500, 7, 3)


def test_an_empty_cell_is_a_missing_number(facts: Any) -> None:
    text = lines(joints(1, 3)[:2]).splitlines()
    one = read(source(".csv"), b",".join([b"", b" ", *text[0].split(b",")[2:]]) + b"\n" + b"," * 20 + b"\n", facts)
    assert np.isnan(one.joints[0, 0]).tolist() == [True, True, False]
    assert one.bodies_per_frame.tolist() == [1]


def test_missing_numbers_are_nan_and_a_body_without_any_is_absent(facts: Any) -> None:
    nested: list[Any] = joints(1, 3).astype(float).tolist()
    nested[0][2] = [None, None, None]
    nested[1] = [[None] * 3] * 7
    one = read(source(".json"), json.dumps(nested).encode(), facts)
    assert np.isnan(one.joints[0, 2]).all()
    assert np.isnan(one.joints).sum() == 3
    assert one.bodies_per_frame.tolist() == [1, 0] + [1] * 18


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8", ">f4", "int64"])
def test_every_kind_of_number_is_read(facts: Any, dtype: str) -> None:
    one = read(source(".npy"), npy(np.full((2, 7, 3), 3).astype(dtype)), facts)
    assert (one.joints == 3).all()
    assert len(one.joints) == 2


def test_a_clip_may_have_no_frame(facts: Any) -> None:
    assert read(source(".npy"), npy(np.zeros((0, 7, 3))), facts).frames == 0


def bomb() -> bytes:
    """A .npz whose joints announce 1 GiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("joints.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(2**20))
    return file.getvalue()


def cut_header(shape: str) -> bytes:
    return npy(joints(1, 3)).replace(b"(20, 7, 3)", shape.encode().ljust(10))


def promising() -> bytes:
    """A small MATLAB file whose header promises 2^31 frames."""
    file = io.BytesIO()
    savemat(file, {"joints": np.zeros((20, 7, 3))}, do_compression=False)
    return file.getvalue().replace(b"\x14\0\0\0\x07\0\0\0\x03", b"\xff\xff\xff\x7f\x07\0\0\0\x03")


GOOD = joints(1, 3).astype(float).tolist()
RULE = "it must be frames x 7 joints x 3 numbers, or frames x bodies x 7 x 3."
FAULTS: dict[str, tuple[str, bytes, str]] = {
    "not npy": (".npy", b"hello", "does not begin with the header"),
    "empty": (".npy", b"", "does not begin with the header"),
    "cut": (".npy", npy(joints(1, 3))[:-1], "its header promises 1680 bytes of shape (20, 7, 3), 1679 are there"),
    "promises more": (".npy", cut_header("(2000,7,3)"), "its header promises"),
    "objects": (".npy", npy(np.array([None, 1])), "holds Python objects, which could run code"),
    "text": (".npy", npy(np.full((2, 7, 3), "1")), "holds what is not a number. Write the file again."),
    "truth": (".npy", npy(np.ones((2, 7, 3), bool)), "holds what is not a number"),
    "complex": (".npy", npy(np.ones((2, 7, 3), complex)), "numbers and text are read"),
    "6 joints": (".npy", npy(np.ones((2, 6, 3))), f"has shape (2, 6, 3); {RULE}"),
    "turned": (".npy", npy(np.ones((3, 20, 7, 1))), f"{RULE} The axes are in another order; transpose it."),
    "flat": (".npy", npy(np.ones(42)), f"has shape (42,); {RULE}"),
    "number": (".npy", npy(1.0), f"has shape (); {RULE}"),
    "infinite": (".npy", npy(np.full((2, 7, 3), np.inf)), "holds a number beyond 1e+12"),
    "infinite half": (".npy", npy(np.full((2, 7, 3), np.inf, np.float16)), "holds a number beyond 1e+12"),
    "far": (".npy", npy(np.full((2, 7, 3), -1e13)), "holds a number beyond 1e+12"),
    "65 bodies": (".npy", npy(np.ones((2, 65, 7, 3))), "a clip has at most 100000 frames, 64 bodies"),
    "days": (".npy", npy(np.ones((100_001, 7, 3), np.int8)), "a clip has at most 100000 frames"),
    "not npz": (".npz", b"PK", "is not a readable .npz (File is not a zip file). Write the file again."),
    "another key": (".npz", npz(skeleton=GOOD), "holds no array `joints`. Save it as numpy.savez(file, joints=array)."),
    "damaged": (".npz", npz(joints=GOOD)[:60] + b"xxxx" + npz(joints=GOOD)[64:], "is not a readable .npz"),
    "bomb": (".npz", bomb(), "`joints` announces 314572800 bytes; a clip has at most 268435456"),
    "objects in npz": (".npz", npz(joints=np.array([None])), "holds Python objects"),
    "not JSON": (".json", b"[[", "is not readable as JSON: "),
    "NaN": (".json", b"[NaN]", "is not readable as JSON: "),
    "no key": (
        ".json",
        b'{"skeleton": []}',
        'is an object without `joints`. Write only the lists, or {"joints": ...}.',
    ),
    "ragged": (
        ".json",
        json.dumps([*GOOD, GOOD[0][:5]]).encode(),
        "holds lists of unequal length. Give every frame all",
    ),
    "words": (".json", json.dumps([[["1"] * 3] * 7]).encode(), "holds what is not a number"),
    "true": (".json", json.dumps([[[True] * 3] * 7]).encode(), "holds what is not a number"),
    "objects in lists": (".json", json.dumps([[[{}] * 3] * 7]).encode(), "holds what is not a number"),
    "no list": (".json", b"5", f"has shape (); {RULE}"),
    "no frame": (".json", b"[]", f"has shape (0,); {RULE}"),
    "not MATLAB": (".mat", b"x" * 200, "is not a MATLAB file of level 5 or 7.3. Save it in MATLAB as save(file, 'jo"),
    "cut MATLAB": (".mat", mat(GOOD)[:-9], "is a MATLAB file that ends too early. Save it in MATLAB"),
    "two in MATLAB": (".mat", mat(GOOD, "a", b=GOOD), "has no array `joints`, and not exactly one array of real"),
    "a structure": (".mat", mat({"a": GOOD}), "not exactly one array of real numbers instead (none)"),
    "complex in MATLAB": (".mat", mat(np.ones((2, 7, 3), complex)), "not exactly one array of real numbers"),
    "promising MATLAB": (".mat", promising(), "promises the shape (2147483647, 7, 3) in "),
    "damaged 7.3": (".mat", mat_73(GOOD)[:1000], "is a damaged MATLAB file ("),
    "two in 7.3": (".mat", mat_73(GOOD, "a/b"), "not exactly one array of real numbers instead (none)"),
    "a word in a table": (
        ".csv",
        b"x,y\n1,2\n3,b\n",
        "line 3 has `b`, which is not a number. Write one line per frame.",
    ),
    "a ragged table": (".txt", b"1 2 3\n1 2\n", "line 2 has 2 numbers, the first line has 3. Give every frame all"),
    "a column too many": (
        ".csv",
        lines(np.ones((3, 22))),
        "has 22 numbers in a line; it must be 7 joints x 3 numbers, for each body. Remove other columns",
    ),
    "a long line": (".txt", b"1 " * 2**20, "line 1 is beyond 100000 frames, or 1048576 bytes long"),
    "far in JSON": (".json", json.dumps([[[1e300] * 3] * 7]).encode(), "holds a number beyond 1e+12"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(facts: Any, fault: str) -> None:
    ending, data, words = FAULTS[fault]
    with pytest.raises(BadFile) as caught:
        read(source(ending), data, facts)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{NAME}: ")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b02_s3", r"the name `b02_s3` does not match `a\(\?P<action>.*Rename the file or move it away\."),
        ("a02_s99999_e0", "subject `99999` in the name is not a number up to 32767. Rename the file."),
        ("a02_s" + "9" * 5000 + "_e0", "in the name is not a number up to 32767"),
    ],
)
def test_numbers_in_names_are_checked(facts: Any, name: str, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        read(source(".npy", name), npy(joints(1, 3)), facts)


def test_labels_in_the_name_are_numbers_or_classes(tmp_path: Path) -> None:
    result = found_in(write_own(tmp_path / "number"))
    assert [source.label for source in result.sources] == [label for label in range(5) for _ in range(4)]
    words = write_own(tmp_path / "word", r"a(?P<action>\d+)_s", "(?P<action>[a-z]+)_s", {"clap_s1_e0": joints(4, 1)})
    assert found_in(words).sources[0].label == 4
    actions = "bodies = 1\nactions = [0, 1, 2, 3, 4]"
    result = found_in(write_own(tmp_path / "zero", "bodies = 1", actions, {"a0_s1_e0": joints(0, 1)}))
    assert result.sources[0].label == 0


def test_a_pattern_that_fits_no_name_is_reported_once(tmp_path: Path) -> None:
    manifest = write_own(tmp_path, r"_e(?P<repetition>\d+)", "")
    with pytest.raises(PrepError) as caught:
        found_in(manifest)
    assert str(caught.value).startswith(
        f"{manifest}: pattern `a(?P<action>\\d+)_s(?P<subject>\\d+)` matches none of the "
    )
    assert "20 names, for example `a01_s0_e0`. It must match the whole name of a file without its" in str(caught.value)


def test_a_pattern_cannot_run_away(tmp_path: Path) -> None:
    endless = r"(?P<action>(\d+)+)_s"
    manifest = write_own(tmp_path, r"a(?P<action>\d+)_s", endless, {"1" * 60: joints(0, 1)})
    with pytest.raises((InvalidValue, PrepError), match="takes more than 1 s|matches none"):
        found_in(manifest)


def test_tables_are_clips_where_there_are_no_arrays(tmp_path: Path) -> None:
    manifest = table(tmp_path, "name,label\na01_s0_e0,wave\n", {})
    manifest.write_text(manifest.read_text().replace('"labels.csv"', '"clips/labels.csv"'))
    (tmp_path / "labels.csv").rename(tmp_path / "clips" / "labels.csv")
    (tmp_path / "clips" / "a01_s0_e0.txt").write_bytes(lines(joints(0, 0)))
    result = found_in(manifest)
    assert [(clip.name, clip.label) for clip in result.sources] == [("a01_s0_e0", 0)]
    one = read(result.sources[0], load_bytes(result.sources[0]), read_custom(manifest).data)
    np.testing.assert_array_equal(one.joints, joints(0, 0))
    (tmp_path / "clips" / "a01_s0_e0.txt").rename(tmp_path / "clips" / "notes.txt")
    np.save(tmp_path / "clips" / "a01_s0_e0.npy", joints(0, 0))
    assert [Path(clip.path).name for clip in found_in(manifest).sources] == ["a01_s0_e0.npy"]


def test_labels_are_names_of_folders(tmp_path: Path) -> None:
    manifest = write_own(tmp_path, 'labels = "name"', 'labels = "folder"', {})
    manifest.write_text(manifest.read_text().replace(r"a(?P<action>\d+)_s", "s"))
    for name in ("wave/s1_e0", "sit down/deep/s1_e0", "wvae/s1_e0", "s1_e0", ".cache/s1_e0"):
        path = tmp_path / "clips" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, joints(0, 1))
    result = found_in(manifest)
    assert [(source.name, source.label) for source in result.sources] == [("sit down-s1_e0", 2), ("wave-s1_e0", 0)]
    assert [name for name, _ in result.bad] == ["s1_e0", "wvae"]
    assert result.bad[0][1].endswith("s1_e0.npy: is in no class's folder. Move it into one.")
    assert result.bad[1][1].endswith("wvae: is not named like a class. Did you mean `wave`?")
    one = read(result.sources[0], load_bytes(result.sources[0]), read_custom(manifest).data)
    assert (one.name, one.label, one.subject) == ("sit down-s1_e0", 2, 1)


def table(folder: Path, text: str, arrays: Any = None) -> Path:
    manifest = write_own(folder, 'labels = "name"', 'labels = "labels.csv"', arrays)
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return manifest


def test_labels_are_in_a_table(tmp_path: Path) -> None:
    arrays = {name: clips()["a01_s0_e0"] for name in ("a01_s0_e0", "a01_s1_e0", "a01_s2_e0", "a01_s3_e0")}
    rows = "\ufeffname,label,who\na01_s0_e0,sit down,me\na01_s1_e0,5\n\na01_s2_e0,jump\ngone,wave\n"
    result = found_in(table(tmp_path, rows, arrays))
    assert [(source.name, source.label) for source in result.sources] == [("a01_s0_e0", 2), ("a01_s1_e0", 4)]
    reasons = dict(result.bad)
    assert sorted(reasons) == ["a01_s2_e0", "a01_s3_e0", "gone"]
    assert "labels.csv has `jump`, which is neither a class nor the number of one (1 to 5)." in reasons["a01_s2_e0"]
    assert "has no line in labels.csv. Add one, or move the file away." in reasons["a01_s3_e0"]
    assert "labels.csv: names it, and there is no such clip." in reasons["gone"]


def test_blanks_in_a_table_do_not_count(tmp_path: Path) -> None:
    arrays = {"a01_s0_e0": joints(0, 1), "a01_s1_e0": joints(1, 1)}
    result = found_in(table(tmp_path, "name, label\n a01_s0_e0,wave \n,\na01_s1_e0\t,\tsit down\n , \n", arrays))
    assert [(source.name, source.label) for source in result.sources] == [("a01_s0_e0", 0), ("a01_s1_e0", 2)]
    assert result.bad == ()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a01_s0_e0,wave\n", "line 1 is not `name,label`. Separate the columns by commas."),
        ("", "line 1 is not `name,label`"),
        ("name;label\n", "line 1 is not `name,label`"),
        ("name,label\na01_s0_e0\n", "line 2 has no label; a line is `name,label`."),
        ("name,label\na,wave\na,clap\n", "line 3 names `a` again; a clip has one label."),
        ('name,label\n"a,wave\n', "cannot be read as a table of labels: unexpected end of data"),
        ("name,label\n" + "a" * 200_000, "cannot be read as a table of labels: field larger"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, rows: str, words: str) -> None:
    manifest = table(tmp_path, rows)
    with pytest.raises(PrepError) as caught:
        found_in(manifest)
    assert words in str(caught.value)
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(PrepError, match=r"labels\.csv: cannot be read as a table of labels: "):
        found_in(write_own(tmp_path / "a", 'labels = "name"', 'labels = "labels.csv"'))
    with pytest.raises(PrepError, match=r"gone: there is no such folder\. Correct `folder` in .*gestures\.toml\."):
        found_in(write_own(tmp_path / "b", '"clips"', '"gone"'))
    with pytest.raises(
        PrepError, match=r"clips: holds no \.npy, \.npz, \.mat, \.json, .* files, one per clip\. Correct"
    ):
        found_in(write_own(tmp_path / "c", arrays={}))
    both = write_own(tmp_path / "d")
    (tmp_path / "d" / "clips" / "a01_s0_e0.json").write_text("[]")
    with pytest.raises(PrepError, match="have the same name. Move one of them away"):
        found_in(both)
    with pytest.raises(PrepError, match=r"build your own dataset from its dataset file: `fsprep build NAME\.toml`\."):
        find(FindRequest(tmp_path, dataset("demo")))


def test_clips_without_a_class_are_unusable_and_zips_are_read(tmp_path: Path) -> None:
    manifest = write_own(tmp_path, arrays={"a09_s1_e0": joints(0, 1), "b": joints(0, 1)})
    with zipfile.ZipFile(tmp_path / "clips" / "more.zip", "w") as archive:
        archive.writestr("deep/a03_s1_e0.json", json.dumps(GOOD))
    result = found_in(manifest)
    assert [source.name for source in result.sources] == ["a03_s1_e0"]
    assert read(result.sources[0], load_bytes(result.sources[0]), read_custom(manifest).data).frames == 20
    assert "the name has `09`, which is neither a class nor the number of one (1 to 5)." in result.bad[0][1]
    assert "does not match `a(?P<action>" in result.bad[1][1]


def test_it_is_a_file_format() -> None:
    assert format_named("own").files.startswith(".npy, .npz, .mat, .json")
    assert not format_named("own").prepared
    with pytest.raises(PrepError, match="`labels` is not an option of the file format own. It has none"):
        format_named("own").parse_options({"labels": "x"})
