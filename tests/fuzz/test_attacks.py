"""Peak memory and time of every reader and importer under files made to exhaust them; `-s` shows the table."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.attacks import ATTACKS, MIB, mat_spent
from helpers.peak import largest_size

from manifests.custom import read_custom
from manifests.facts import dataset
from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.formats import FindRequest, Format, format_named, importers, readers
from prep.readers._lines import read_lines
from prep.readers._mat import MatError, from_mat

# Text read as nested lists takes the most, 25 bytes of memory for each byte of the file. A packed member may become 2
# MiB whatever its size, and these then take some 50 MiB.
BYTES_PER_BYTE, FIXED_BYTES, SLOWEST = 100, 96 * MIB, 20.0


def test_every_format_is_attacked() -> None:
    assert {name for name, _, _ in ATTACKS.values()} == {*readers(), *importers()}


def read_all(name: str, data: str, path: Path, folder: Path, send: Any) -> None:
    """Child: find and read everything; send the growth of the memory and the seconds."""
    facts = dataset(data) if data else read_custom(path).data
    file_format = format_named(name)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = largest_size(), time.perf_counter()
    with suppress(PrepError, InvalidValue):
        for source in file_format.find(FindRequest(path, facts, file_format.parse_options({}), folder / "x")).sources:
            with suppress(PrepError):
                file_format.read(source, file_format.load(source), facts)
    send.send((largest_size() - before, time.perf_counter() - start))


def read_strictly(file_format: Format, request: FindRequest) -> None:
    """Read the clips, or raise the reason of the first that is unusable."""
    result = file_format.find(request)
    for _, reason in result.bad:
        raise PrepError(reason)
    for source in result.sources:
        file_format.read(source, file_format.load(source), request.data)


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (
            "pku, whole file per label",
            "its lines name 100000000 frames, and the skeleton file has at most 20000. Remove",
        ),
        ("pyskl, one array for all", "the same keypoints stand in many annotations. Fetch the file again"),
        ("txt2npy, zip", "the same array stands for several bodies. Fetch the file again"),
        ("dastm, names", "3145728 names for 2 clips. Fetch it again"),
        ("dastm, clips of a byte", "announces 500000 clips in 500128 bytes; a clip takes at least 16. Fetch it again"),
        ("ctrgcn_npz, clips of nothing", "announces 1048576 clips in [0-9]+ bytes; a clip takes at least 16"),
        ("mamp_npz, names", "an array of shape .4000,. where labels or names belong. Fetch it again"),
        ("own mat 7.3, links", "holds 5001 variables; at most 1000 are read"),
    ],
)
def test_refused_by_name(attack: str, words: str, tmp_path: Path) -> None:
    name, data, make = ATTACKS[attack]
    path, file_format = make(tmp_path), format_named(name)
    facts = dataset(data) if data else read_custom(path).data
    path = path if path.suffix in (".toml", ".pkl") else tmp_path
    with pytest.raises(PrepError, match=words):
        read_strictly(file_format, FindRequest(path, facts, file_format.parse_options({}), tmp_path / "x"))


def test_an_array_after_the_limit_is_not_unpacked() -> None:
    data = mat_spent(8 * MIB)
    with pytest.raises(MatError, match="holds arrays that are packed too small to be true"):
        from_mat(data, "joints", 100 * len(data))


def test_an_empty_array_of_a_clip_has_no_frames(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros((1, 0, 150), "f4"), y_train=np.zeros(1, "i1"))
    file_format = format_named("ctrgcn_npz")
    [source] = file_format.find(FindRequest(tmp_path, dataset("ntu60"), None, tmp_path / "x")).sources
    assert file_format.read(source, file_format.load(source), dataset("ntu60")).frames == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process")
def test_memory_and_time_are_bounded_by_the_bytes_given(tmp_path: Path) -> None:
    read_lines(b"1\n", str)  # compiled before the children are forked
    context = multiprocessing.get_context("fork")
    rows, wrong = [""], []
    print()
    for number, (attack, (name, data, make)) in enumerate(ATTACKS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make(folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        path = path if path.suffix in (".toml", ".pkl", ".h5") else folder
        receive, send = context.Pipe(duplex=False)
        child = context.Process(target=read_all, args=(name, data, path, folder, send))
        child.start()
        send.close()
        peak, seconds = receive.recv()
        child.join()
        shutil.rmtree(folder)
        rows.append(
            f"{attack:32} {size:12,} bytes: peak {peak / MIB:7.1f} MiB, {peak / size:9.1f} a byte, {seconds:6.2f} s"
        )
        print(rows[-1], flush=True)
        if peak > FIXED_BYTES + BYTES_PER_BYTE * size or seconds > SLOWEST:
            wrong.append(rows[-1])
    assert not wrong
