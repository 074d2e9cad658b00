"""The facts that ship: every file is read, agrees with related files and with the sources at hand."""

from __future__ import annotations

import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from helpers.shared import shared

import manifests.facts
from manifests.facts import dataset, layout, missing_names, names
from manifests.split_file import split
from manifests.strict import InvalidValue

HERE = Path(manifests.facts.__file__).parent


def test_every_file_of_every_kind_is_read() -> None:
    loaders = {"datasets": dataset, "layouts": layout, "splits": split}
    read = {kind: [load(name).name for name in names(kind)] for kind, load in loaders.items()}
    for kind, records in read.items():
        assert records == sorted(path.stem for path in (HERE / kind).iterdir()), f"manifests/{kind} has other files"
    assert {"demo", "ntu120", "ntu60", "nw_ucla"} <= set(read["datasets"])
    assert {"kinect20", "ntu25"} <= set(read["layouts"])
    assert {"demo", "ntu_s", "ntu_t", "nw_ucla"} <= set(read["splits"])
    assert {"cross_modal", "dastm"} <= set(names("published"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dataset("ntu12"), "`ntu12` is not one of the datasets. Did you mean `ntu120`?"),
        (lambda: layout("kinect_20"), "`kinect_20` is not one of the layouts. Did you mean `kinect20`?"),
        (lambda: split("ntut"), "`ntut` is not one of the splits. Did you mean `ntu_t`?"),
        (lambda: dataset("../layouts/ntu25"), "`../layouts/ntu25` is not one of the datasets. "),
        (lambda: names("splitz"), "`splitz` is not a kind of manifests. Did you mean `splits`?"),
    ],
)
def test_an_error_about_an_unknown_name_suggests_a_known_one(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidValue) as caught:
        call()
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("fps =", "fsp =", "datasets/ntu60.toml: `fsp` is not a key of Dataset. Did you mean `fps`?"),
        ("title =", "name = 'ntu60'\ntitle =", "datasets/ntu60.toml: `name` is the file's name; remove the line"),
        ("first = 60", "first = 0", "first is 0; `ntu120` has 1 to 120 classes to give"),
        ("first = 60", "firts = 60", "datasets/ntu60.toml: classes: `firts` is not a key of _FirstOf. Did you mean"),
        ('of = "ntu120"', 'of = "ntu129"', "`ntu129` is not one of the datasets. Did you mean `ntu120`?"),
        ('preprocessing = "ctrgcn"', 'preprocessing = "ctr"', "datasets/ntu60.toml: preprocessing `ctr` is not in pre"),
    ],
)
def test_a_mistake_in_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    (tmp_path / "datasets").mkdir()
    for name in ("ntu60", "ntu120"):
        text = (HERE / "datasets" / f"{name}.toml").read_text(encoding="utf-8")
        (tmp_path / "datasets" / f"{name}.toml").write_text(text.replace(old, new) if name == "ntu60" else text)
    monkeypatch.setattr(manifests.facts, "_HERE", tmp_path)
    with pytest.raises(InvalidValue) as caught:
        dataset.__wrapped__("ntu60")
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("name", names("datasets"))
def test_a_dataset_agrees_with_its_layout_and_missing_clips(name: str) -> None:
    data = dataset(name)
    assert data.layout in names("layouts")
    assert data.unit == layout(data.layout).unit
    assert all([data.title, data.source, data.licence, data.obtain])
    assert all(re.fullmatch(data.pattern, clip) for clip in missing_names(data.missing))
    assert not data.redistribution or data.licence == "CC0-1.0"


@pytest.mark.parametrize("name", names("splits"))
def test_the_classes_of_a_split_exist_in_its_dataset(name: str) -> None:
    record, count = split(name), len(dataset(split(name).dataset).classes)
    for part in (
        record.train,
        record.val,
        record.test,
        *(part for draw in record.draws for part in (draw.train, draw.test)),
    ):
        assert all(0 <= label < count for label in part)
    assert all([record.title, record.source])


@pytest.mark.parametrize("name", names("layouts"))
def test_a_layout_names_its_mirrored_joints_and_its_source(name: str) -> None:
    record = layout(name)
    assert all([record.title, record.source])
    for left, right in record.mirror:
        assert record.joints[left].replace("left", "right") == record.joints[right] != record.joints[left]
    assert hash(record) == hash(layout(name))


@pytest.mark.parametrize(("name", "joints", "pairs", "root"), [("ntu25", 25, 10, 20), ("kinect20", 20, 8, 2)])
def test_well_known_counts_of_layouts(name: str, joints: int, pairs: int, root: int) -> None:
    record = layout(name)
    assert (len(record.joints), len(record.bones), len(record.mirror)) == (joints, joints - 1, pairs)
    assert (record.root, record.centre, record.spine, record.coordinates) == (root, root, 1, 3)
    assert [*record.parts] == ["torso", "left_arm", "right_arm", "left_leg", "right_leg"]
    # A mirrored part is a part: arms change places with arms, legs with legs.
    image = dict(record.mirror) | {right: left for left, right in record.mirror}
    turned = {frozenset(image.get(joint, joint) for joint in part) for part in record.parts.values()}
    assert turned == {frozenset(part) for part in record.parts.values()}


def test_layouts_know_where_up_is_and_what_is_a_score() -> None:
    known = {name: (layout(name).hips, layout(name).vertical, layout(name).axes) for name in names("layouts")}
    assert known == {
        "coco17": ((11, 12), (1, -1), 2),
        "kinect20": ((0,), (1, 1), 3),
        "ntu25": ((0,), (1, 1), 3),
        "openpose18": ((8, 11), (1, -1), 2),
    }
    assert [name for name in names("layouts") if layout(name).scored] == ["coco17", "openpose18"]


def test_well_known_facts_about_datasets() -> None:
    counts = {name: len(dataset(name).classes) for name in ("ntu60", "ntu120", "nw_ucla", "demo")}
    assert counts == {"ntu60": 60, "ntu120": 120, "nw_ucla": 10, "demo": 24}
    assert dataset("ntu60").classes == dataset("ntu120").classes[:60]
    assert dataset("ntu120").actions == tuple(range(1, 121))
    assert dataset("nw_ucla").actions == (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
    assert dataset("nw_ucla").classes[6] == "donning"
    assert dataset("demo").classes[19] == "turn around"
    assert [name for name in counts if dataset(name).redistribution] == ["demo"]


def test_names_of_files_fit_the_patterns() -> None:
    ntu = re.fullmatch(dataset("ntu120").pattern, "S018C003P008R002A061")
    ucla = re.fullmatch(dataset("nw_ucla").pattern, "a12_s10_e05_v03")
    assert ntu is not None
    assert ucla is not None
    wanted = {"setup": "018", "camera": "003", "subject": "008", "repetition": "002", "action": "061"}
    assert ntu.groupdict() == wanted
    assert ucla.groupdict() == {"action": "12", "subject": "10", "repetition": "05", "camera": "03"}


def test_missing_skeletons() -> None:
    small, large = missing_names("ntu60"), missing_names("ntu120")
    assert (len(small), len(large)) == (302, 535)
    assert small == {name for name in large if int(name[1:4]) <= 17}
    assert missing_names("") == frozenset()


def test_the_demo_has_no_two_novel_classes_that_mirror_each_other() -> None:
    classes = dataset("demo").classes
    novel = [classes[label] for label in split("demo").test]
    swap = {"left": "right", "right": "left"}
    mirrored = {" ".join(swap.get(word, word) for word in name.split()) for name in novel}
    assert {name for name in mirrored & set(novel) if swap.keys() & set(name.split())} == set()
    assert sorted(split("demo").train + split("demo").val + split("demo").test) == list(range(24))


@pytest.mark.parametrize(("name", "samples"), [("ntu_t", 30), ("ntu_s", 60)])
def test_the_splits_of_dastm(name: str, samples: int) -> None:
    record = split(name)
    assert (len(record.train), len(record.val), len(record.test)) == (80, 20, 20)
    assert sorted(record.train + record.val + record.test) == list(range(120))
    assert (record.samples_per_class, record.seed, record.protocol) == (samples, 2022, "episodic")
    assert (record.train[0], record.train[-1], record.val[0], record.test[0], record.test[-1]) == (0, 119, 14, 3, 118)


def test_the_draws_of_nw_ucla_follow_their_rule() -> None:
    record = split("nw_ucla")
    wanted: list[tuple[int, ...]] = []
    number = 0
    while len(wanted) < 20:
        keys = {label: sha256(f"nw_ucla/{record.seed}/{number}/{label}".encode()).hexdigest() for label in range(10)}
        novel = tuple(sorted(sorted(keys, key=keys.__getitem__)[:5]))
        wanted += [novel] if novel not in wanted else []
        number += 1
    assert [draw.test for draw in record.draws] == wanted
    assert all(sorted(draw.train + draw.test) == list(range(10)) for draw in record.draws)


def test_the_facts_equal_the_sources_at_hand() -> None:
    classes = shared("data/facts/ntu120.txt").read_text(encoding="utf-8").split("\n")
    assert dataset("ntu120").classes == tuple(line.strip() for line in classes if line.strip())
    ucla = shared("data/facts/nw_ucla_10.txt").read_text(encoding="utf-8").splitlines()
    record = dataset("nw_ucla")
    assert [f"a{a:02d} {c}" for a, c in zip(record.actions, record.classes, strict=True)] == [
        line for line in ucla if line
    ]
    for name, file in (("ntu60", "ntu60_missing_302"), ("ntu120", "ntu120_missing_535")):
        lines = shared(f"data/facts/{file}.txt").read_text(encoding="utf-8").split()
        assert missing_names(name) == set(lines)
    appendix = shared("papers/dastm-appendix.txt").read_text(encoding="utf-8")
    lists = re.findall(r"(?:Train|Validation|Test): \[([\d,\s]+)\]", appendix)[:3]
    # The appendix prints action numbers, with 0 for A120.
    printed = [tuple(sorted((int(number) - 1) % 120 for number in text.split(","))) for text in lists]
    for name in ("ntu_t", "ntu_s"):
        assert [split(name).train, split(name).val, split(name).test] == printed


def test_facts_load_no_array_library() -> None:
    code = "import sys, manifests.facts; print(*sorted({'numpy', 'torch', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
