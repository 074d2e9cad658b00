"""Whatever is wrong with single files becomes rows with the file, the rule and the remedy; the rest is built."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.build_jobs import built, job, run, write_raw

from manifests.facts import dataset
from prep.building.build import BadFiles
from prep.building.choose import choose
from prep.building.reasons import folded, reason_for
from prep.clip import Source
from prep.errors import BadFile, PrepError
from prep.readers import nw_ucla
from prep.store.read import open_store

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.mark.parametrize(
    "error", [MemoryError("want"), RecursionError("deep"), KeyError("a"), NotImplementedError("x")]
)
def test_whatever_a_reader_raises_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    raw = write_raw(tmp_path / "raw", clips=6)
    read = nw_ucla.read

    def raises(source: Source, data: bytes, facts: object) -> object:
        if source.name.startswith("a03"):
            raise error
        return read(source, data, facts)  # type: ignore[arg-type]

    monkeypatch.setattr(nw_ucla, "FORMAT", replace(nw_ucla.FORMAT, read=raises))
    task = job(raw, tmp_path / "s.zarr")
    rule = f"{type(error).__name__}.*Fetch the file again, or leave it out with --allow-bad"
    with pytest.raises(BadFiles, match=rf"a03_s01_e00_v01\.json: its reader failed \({rule}"):
        run(task)
    # The same command reads bad files again: what was wrong may have left no trace in the file.
    monkeypatch.undo()
    assert len(built(task)) == 6


def test_what_is_not_read_is_said_and_leaves_no_trace_in_the_digest(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", clips=4)
    digest = built(job(raw, tmp_path / "one.zarr")).digest
    (raw / "READ.ME").write_bytes(b"")
    with zipfile.ZipFile(raw / "more.zip", "w") as archive:
        archive.writestr("inner.zip", b"")
    lines = [step.line for step in run(job(raw, tmp_path / "two.zarr")) if step.line]
    assert lines == [
        "Note: not read: more.zip: inner.zip; archives inside a zip are not unpacked. "
        "Unpack it into the folder, or move it away.",
        "Note: 1 file `.me` not read, for example READ.ME",
    ]
    assert open_store(tmp_path / "two.zarr").digest == digest


def test_a_damaged_zip_is_a_row_beside_good_files(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", clips=4)
    (raw / "half.zip").write_bytes(b"PK")
    with pytest.raises(BadFiles, match=r"half\.zip: is not a readable zip") as caught:
        run(job(raw, tmp_path / "s.zarr"))
    assert [name for name, _ in caught.value.bad] == ["half.zip"]
    assert len(built(job(raw, tmp_path / "s.zarr", allow_bad=True))) == 4


def test_a_folder_with_nothing_to_read_says_what_lies_there(tmp_path: Path) -> None:
    for name in ("a.mat", "b.mat", "c.rar"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        PrepError, match=r"(?s)neither as files nor inside zips.*not read: .*c\.rar; .*2 files `\.mat` not"
    ):
        run(job(tmp_path, tmp_path / "s.zarr"))


def test_a_build_without_a_usable_clip_shows_the_reasons(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", clips=6)
    for file in raw.iterdir():
        file.write_text(json.dumps({"file_name": file.stem, "label": 1, "skeletons": [[1]]}))
    task = job(raw, tmp_path / "s.zarr", allow_bad=True)
    with pytest.raises(PrepError, match=r"(?s)no clip could be read.*`label` is 1; .*All reasons: .*report\.json"):
        run(task)


def test_names_of_a_larger_dataset_are_counted() -> None:
    ntu, names = dataset("ntu60"), ("S001C001P001R001A001", "S018C001P001R001A061", "S018C001P001R001A120")
    choice = choose(ntu, None, [Source(name, "", "", 0, "") for name in names])
    assert [source.name for source in choice.sources] == [names[0]]
    assert choice.remarks == (f"2 clips left out: of actions that ntu60 does not have, {names[1]} for example",)
    with pytest.raises(PrepError, match=r"none of the 1 clips found can be used(?s:.*)1 clips left out: of actions"):
        choose(ntu, None, [Source(names[1], "", "", 0, "")])


def test_reasons() -> None:
    source = Source("a", "/raw/a.txt", "", 0, "")
    assert reason_for(source, BadFile("a: is short. Fetch it again.")) == "a: is short. Fetch it again."
    assert reason_for(source, ValueError("x" * 999)).count("x") < 220
    rows = [(f"c{row}", f"c{row}: line {row} is bad.") for row in range(30)] + [("d", "is empty.")]
    assert folded(rows, 20)[-2:] == ["c2: line 2 is bad. (and 27 more like it)", "d: is empty."]
