"""One raw file to one converted clip: its columns are those of the store."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from helpers.synthetic_own import write_own

from manifests.custom import read_custom
from prep.building.convert import ConvertedClip, columns, convert_source
from prep.errors import BadFile
from prep.formats import FindRequest, format_named
from prep.preprocessing.pipeline import pipeline
from prep.store.arrays import PER_CLIP


def test_the_columns_of_a_store_are_fields_of_a_converted_clip() -> None:
    others = {"name", "source", "joints", "body_mask", "origin", "to_recorded"}
    assert {*PER_CLIP, *others} == {field.name for field in fields(ConvertedClip)}


def test_no_clip_at_all_makes_empty_columns() -> None:
    made = columns([])
    assert {name: len(column) for name, column in made.items()} == dict.fromkeys(made, 0)
    assert {name: str(made[name].dtype) for name in PER_CLIP} == PER_CLIP


def test_a_name_beyond_the_bound_is_a_bad_file(tmp_path: Path) -> None:
    data = read_custom(write_own(tmp_path)).data
    file_format = format_named("own")
    source = file_format.find(FindRequest(tmp_path / "gestures.toml", data)).sources[0]
    with pytest.raises(BadFile, match="a clip's name has at most 1024 bytes"):
        convert_source(replace(source, name="a" * 1025), file_format, data, pipeline("raw"))
