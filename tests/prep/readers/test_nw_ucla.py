"""The NW-UCLA reader: the JSON format, and every way to break it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refused
from helpers.shared import shared

from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, detect_format
from prep.readers.nw_ucla import find, read
from prep.untrusted.files import load_bytes

NAME = "a08_s03_e01_v02"  # the seventh action that exists


def source(name: str = NAME) -> Source:
    return Source(name, f"{name}.json", "", 0, "")


def clip(frames: int = 2, **changed: Any) -> dict[str, Any]:
    skeletons = np.random.default_rng(0).normal(size=(frames, 20, 3)).tolist()
    return {"file_name": NAME, "skeletons": skeletons, "label": 7} | changed


def parse(value: Any, name: str = NAME) -> Recording:
    return read(source(name), value if isinstance(value, bytes) else json.dumps(value).encode(), FACTS)


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_clip_is_one_body_throughout(frames: int) -> None:
    found = parse(clip(frames))
    assert found.bodies_per_frame.tolist() == [1] * frames
    assert len(set(found.body_id.tolist())) <= 1
    np.testing.assert_array_equal(found.joints, np.float32(clip(frames)["skeletons"]).reshape(-1, 20, 3))
    facts = (found.name, found.label, found.subject, found.camera, found.repetition, found.setup)
    assert facts == (NAME, 6, 3, 2, 1, -1)


def test_whole_metres_are_numbers_too() -> None:
    assert parse(clip(skeletons=[[[1, 2, 3]] * 20])).joints.dtype == np.float32


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in clip().items() if name != key}


FACTS = dataset("nw_ucla")
BODY = [[0.5, 0.5, 0.5]] * 20
FAULTS = {
    "not JSON": (b"hello", "is not readable as JSON: "),
    "cut": (json.dumps(clip()).encode()[:99], "is not readable as JSON: "),
    "empty": (b"", "is not readable as JSON: "),
    "a list": ([clip()], "is not a JSON object."),
    "no skeletons": (without("skeletons"), "has no key `skeletons`; a clip has file_name, skeletons and label."),
    "no label": (without("label"), "has no key `label`"),
    "no file_name": (without("file_name"), "has no key `file_name`"),
    "another's name": (clip(file_name="a08_s03_e01_v01"), "`file_name` is 'a08_s03_e01_v01'; it must be the file's"),
    "another label": (clip(label=8), "`label` is 8; action 08 of the name has 7."),
    "label from 0": (clip(label=6), "`label` is 6; action 08 of the name has 7."),
    "label as text": (clip(label="7"), "`label` is '7'; action 08 of the name has 7."),
    "label true": (clip(label=True), "`label` is True"),
    "19 joints": (clip(skeletons=[BODY[:19]]), "has shape (1, 19, 3); it must be frames x 20 joints x 3 numbers."),
    "two numbers": (clip(skeletons=[[[1.0, 2.0]] * 20]), "has shape (1, 20, 2)"),
    "one frame, no list": (clip(skeletons=BODY), "has shape (20, 3)"),
    "no list": (clip(skeletons=5), "has shape ()"),
    "an empty frame": (clip(skeletons=[[]]), "has shape (1, 0)"),
    "ragged": (clip(skeletons=[BODY, BODY[:3]]), "`skeletons` is ragged"),
    "text": (clip(skeletons=[[["1", "2", "3"]] * 20]), "holds what is not a number"),
    "null": (clip(skeletons=[[[1.0, None, 3.0]] * 20]), "holds what is not a number"),
    "NaN": (json.dumps(clip(skeletons=[[[float("nan")] * 3] * 20])).encode(), "is not readable as JSON: "),
    "far away": (clip(skeletons=[[[1e300] * 3] * 20]), "not one of metres up to 1e+12"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(fault: str) -> None:
    value, words = FAULTS[fault]
    refused(lambda: parse(value), NAME, words)


@pytest.mark.parametrize(
    "name", ["val_label", "a07_s01_e00_v01", "a10_s01_e00_v01", "a13_s01_e00_v01", "a1_s01_e00_v01"]
)
def test_other_files_are_reported_by_name(name: str) -> None:
    with pytest.raises(
        BadFile, match="the name is not aAA_sSS_eEE_vVV with AA one of 01, 02, .* 12. Move the file away"
    ):
        parse(clip(), name)


def test_folders_and_zips_are_found(tmp_path: Path) -> None:
    (tmp_path / "all_sqe").mkdir()
    (tmp_path / "all_sqe" / f"{NAME}.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "rest.zip", "w") as archive:
        archive.writestr("all_sqe/a01_s01_e00_v01.json", "{}")
    assert [found.name for found in find(FindRequest(tmp_path, FACTS)).sources] == ["a01_s01_e00_v01", NAME]
    with pytest.raises(PrepError, match=r"no such folder or file\. Download the archive `all_sqe`"):
        detect_format("", tmp_path / "gone", FACTS, {}, tmp_path)


@pytest.mark.slow
def test_the_whole_data_set_is_read() -> None:
    sources = find(FindRequest(shared("data/nw_ucla.zip"), FACTS)).sources
    read_all = [read(source, load_bytes(source), FACTS) for source in sources]
    assert len(read_all) == 1484
    assert np.bincount([one.camera for one in read_all]).tolist() == [0, 516, 504, 464]
    assert sorted({one.label for one in read_all}) == list(range(10))
    lengths = [one.frames for one in read_all]
    assert (min(lengths), max(lengths), round(float(np.mean(lengths)), 1)) == (1, 201, 39.4)
    assert [one.name for one in read_all if one.frames == 1] == ["a02_s09_e04_v02", "a02_s09_e04_v03"]
