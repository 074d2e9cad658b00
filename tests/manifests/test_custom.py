"""Custom datasets and splits: the example that ships, the records they become, and an error for every mistake."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers.synthetic_own import MANIFEST as DATASET_FILE
from helpers.synthetic_own import SPLIT

from manifests.custom import EXAMPLE, PREPARED, read_custom
from manifests.facts import layout, layout_of, names
from manifests.split_file import classes_of, split
from manifests.strict import InvalidValue
from prep.preprocessing.pipeline import ANY, pipeline


def write(folder: Path, text: str, name: str = "gestures.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_example_that_ships_is_valid(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    custom = read_custom(write(tmp_path, text))
    assert (custom.data.name, custom.data.layout, custom.data.readers) == ("gestures", "kinect20", ("own",))
    assert custom.folder == tmp_path / "clips"
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 20
    # The lines that are commented out are valid too.
    complete = text.replace('layout = "kinect20"', "").replace("# [custom_layout]", "[custom_layout]")
    for key in ("joints", "bones", "mirror", "hips", "up"):
        complete = complete.replace(f"# {key} =", f"{key} =")
    assert len(layout_of(read_custom(write(tmp_path, complete)).data).joints) == 4


def test_a_custom_layout_is_completed(tmp_path: Path) -> None:
    data = read_custom(write(tmp_path, DATASET_FILE)).data
    known = layout_of(data)
    assert (known.name, known.root, known.centre, known.spine, known.unit) == ("gestures", 0, 0, 0, "metre")
    assert known.parts == {"body": tuple(range(7))}
    assert known.mirror == ((3, 4), (5, 6))
    assert (data.layout, data.preprocessings, data.preprocessing) == ("gestures", ("standard", "raw"), "standard")
    assert (known.hips, known.up, known.vertical) == ((0,), "y", (1, 1))
    assert hash(known) == hash(layout_of(read_custom(tmp_path / "gestures.toml").data))
    given = DATASET_FILE + 'hips = [5, 6]\nup = "-z"\n'
    known = layout_of(read_custom(write(tmp_path, given)).data)
    assert (known.hips, known.vertical) == ((5, 6), (2, -1))
    image = DATASET_FILE.replace('"metre"', '"image"') + "coordinates = 3\n"
    known = layout_of(read_custom(write(tmp_path, image)).data)
    assert (known.up, known.axes, known.scored) == ("-y", 2, True)
    given = DATASET_FILE + "centre = 1\nspine = 1\nparts = { up = [1, 2, 3, 4], down = [0, 5, 6] }\n"
    known = layout_of(read_custom(write(tmp_path, given)).data)
    assert (known.centre, known.spine, known.parts["down"]) == (1, 1, (0, 5, 6))


def test_the_order_of_joints_is_mapped_to_the_layout(tmp_path: Path) -> None:
    assert read_custom(write(tmp_path, DATASET_FILE)).data.joint_order == ()
    order = '["head", "", "neck", "hip", "left hand", "right hand", "left foot", "right foot"]'
    ordered = DATASET_FILE.replace("bodies = 1", f"bodies = 1\njoint_order = {order}")
    assert read_custom(write(tmp_path, ordered)).data.joint_order == (2, -1, 1, 0, 3, 4, 5, 6)
    names = layout("kinect20").joints
    shipped = (
        DATASET_FILE[: DATASET_FILE.index("[custom_layout]")]
        + f'layout = "kinect20"\njoint_order = {json.dumps(names)}\n'
    )
    assert read_custom(write(tmp_path, shipped)).data.joint_order == tuple(range(20))


def test_a_named_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gestures.toml")
    with pytest.raises(InvalidValue, match=r"gestures\.toml: cannot be read: it is not a regular file\."):
        read_custom(tmp_path / "gestures.toml")


def test_every_pipeline_has_steps_for_the_layouts_it_is_offered_for() -> None:
    for name in ("agcn", "ctrgcn"):
        assert all(pipeline(name).steps(each) for each in PREPARED)
    assert all(ANY in pipeline(name).layouts for name in ("standard", "raw"))


def test_paths_are_relative_to_the_dataset_file(tmp_path: Path) -> None:
    custom = read_custom(
        write(tmp_path, DATASET_FILE.replace('"clips"', '"../elsewhere"').replace('"name"', '"a/labels.csv"'))
    )
    assert custom.folder == tmp_path / "../elsewhere"
    assert custom.table == tmp_path / "a/labels.csv"
    assert read_custom(write(tmp_path, DATASET_FILE.replace('"clips"', '"/data"'))).folder == Path("/data")


FAULTS = {
    "not TOML": ("title =", "title", "gestures.toml: not readable as TOML: "),
    "unknown key": ("fps =", "fsp =", "`fsp` is not a key of DatasetFile. Did you mean `fps`?"),
    "nested": ("bodies = 1", "bodies = " + "[" * 5000 + "]" * 5000, "not readable as TOML: "),
    "digits": ("bodies = 1", "bodies = " + "1" * 5000, "not readable as TOML: "),
    "unknown joint": (
        "bodies = 1",
        'bodies = 1\njoint_order = ["hipp"]',
        "joint_order: `hipp` is not a joint of the layout. Did you mean `hip`?",
    ),
    "a joint left out": (
        "bodies = 1",
        'bodies = 1\njoint_order = ["hip", "neck", "head", "left hand", "right hand", "left foot"]',
        "joint_order leaves out right foot; it names every joint of the layout once, in the files' order",
    ),
    "a joint named twice": (
        "bodies = 1",
        'bodies = 1\njoint_order = ["hip", "hip"]',
        "joint_order: `hip` is listed twice; list it once",
    ),
    "no licence": ('licence = "CC-BY-4.0"', "", "licence: "),
    "empty licence": ('"CC-BY-4.0"', '""', 'licence is empty; write the terms, for example "CC-BY-4.0"'),
    "empty unit": ('"metre"', '""', "unit is empty; write for example metre"),
    "labels": ('labels = "name"', 'labels = "file"', 'labels is `file`; it must be "name", "folder" or the path of a'),
    "group": ("<subject>", "<subjekt>", "pattern has a group `subjekt`. Did you mean `subject`?"),
    "no action": ("<action>", "<setup>", "has no group (?P<action>...)"),
    "pattern": ("a(?P", "a((?P", "is not a regular expression"),
    "no bodies": ("bodies = 1", "bodies = 0", "bodies is 0; it must be 1 to 64"),
    "fps": ("fps = 25.0", "fps = 0.0", "fps is 0.0; it must be a number above 0"),
    "endless fps": ("fps = 25.0", "fps = inf", "fps"),
    "no fps": ("fps = 25.0", "fps = nan", "fps"),
    "fps as text": ("fps = 25.0", 'fps = "25"', "fps: Input should be a valid number"),
    "class twice": ('"point"', '"wave"', "classes: `wave` is listed twice; list it once"),
    "actions": ("bodies = 1", "bodies = 1\nactions = [1, 2]", "2 actions for 5 classes"),
    "preprocessing": (
        "bodies = 1",
        'bodies = 1\npreprocessing = "ctrgcn"',
        "preprocessing `ctrgcn` is not in preprocessings. Known: raw, standard.",
    ),
    "name": ("title =", 'name = "x"\ntitle =', "`name` is not a key of DatasetFile"),
    "two layouts": (
        "bodies = 1",
        'bodies = 1\nlayout = "ntu25"',
        "layout and custom_layout exclude each other. Name one",
    ),
    "layout key": (
        "mirror =",
        "miror =",
        "custom_layout: `miror` is not a key of CustomLayout. Did you mean `mirror`?",
    ),
    "a bone too few": (", [6, 0]]", "]", "custom_layout: joints [0, 6] are no bone's child; only one may be, the root"),
    "a circle": (
        "[1, 0]",
        "[1, 0], [0, 1]",
        "custom_layout: every joint is the child of a bone; one must not be, the root",
    ),
    "no joint": ("[6, 0]", "[7, 0]", "custom_layout: joints [0, 6] are no bone's child"),
    "mirror": ("[5, 6]]", "[2, 6]]", "custom_layout: mirror turns bone"),
    "joint twice": ('"neck"', '"hip"', "custom_layout: joints: `hip` is listed twice"),
    "hips": ("mirror =", "hips = [7]\nmirror =", "custom_layout: hips: 7 is not a joint; they are numbered 0 to 6"),
    "up": ("mirror =", 'up = "w"\nmirror =', "custom_layout: up: Input should be 'x', '-x', 'y'"),
    "no such axis": (
        "mirror =",
        'coordinates = 2\nup = "z"\nmirror =',
        "custom_layout: up is `z`; a joint has 2 coordinates",
    ),
    "coordinates": ("mirror =", "coordinates = 1\nmirror =", "custom_layout: coordinates is 1; it must be 2 to 16"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_named(tmp_path: Path, fault: str) -> None:
    old, new, words = FAULTS[fault]
    assert old in DATASET_FILE
    with pytest.raises(InvalidValue) as caught:
        read_custom(write(tmp_path, DATASET_FILE.replace(old, new, 1)))
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "gestures.toml"))


def test_layouts_that_ship_are_checked_too(tmp_path: Path) -> None:
    text = DATASET_FILE[: DATASET_FILE.index("[custom_layout]")]
    with pytest.raises(
        InvalidValue, match=r"no layout is given. Name one of coco17, .* or give a table \[custom_layout\]"
    ):
        read_custom(write(tmp_path, text))
    with pytest.raises(InvalidValue, match="`ntu52` is not a layout. Did you mean `ntu25`?"):
        read_custom(write(tmp_path, text + 'layout = "ntu52"'))
    with pytest.raises(
        InvalidValue, match="custom_layout is not a table; write \\[custom_layout\\] and below it joints and bones"
    ):
        read_custom(write(tmp_path, text + "custom_layout = 5"))
    text += 'layout = "ntu25"\n'
    assert read_custom(write(tmp_path, text)).data.preprocessings == ("standard", "raw", "agcn", "ctrgcn")
    with pytest.raises(InvalidValue, match='unit is "mm", but the layout ntu25 counts in "metre". Convert the numbers'):
        read_custom(write(tmp_path, text.replace('"metre"', '"mm"')))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ntu120.toml", "and `ntu120` ships already. Rename the file."),
        ("ntu25.toml", "and `ntu25` ships already"),
        ("my data.toml", "so letters, digits, _ and - only. Rename the file."),
        ("-x.toml", "so letters, digits, _ and - only"),
    ],
)
def test_a_dataset_is_named_after_its_file(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_custom(write(tmp_path, DATASET_FILE, name))
    assert words in str(caught.value)


def test_an_absent_or_unreadable_dataset_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"gone\.toml: cannot be read: "):
        read_custom(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(InvalidValue, match=r"latin\.toml: cannot be read: "):
        read_custom(tmp_path / "latin.toml")


def test_a_custom_split_is_read_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, SPLIT, "mine.toml")
    mine = split(str(path))
    assert (mine.name, mine.dataset, mine.train, mine.test) == ("mine", "gestures", (0, 1, 2), (3, 4))
    write(tmp_path, SPLIT.replace("[3, 4]", "[4]"), "mine.toml")
    assert split(str(path)).test == (4,)  # what the file says now
    assert "mine" not in names("splits")


NAMED = SPLIT.replace("[0, 1, 2]", '["wave", "point", 2]').replace("[3, 4]", '["stand up", "clap"]')


def test_a_split_may_name_classes(tmp_path: Path) -> None:
    """With the dataset file beside it, or of a dataset that ships; numbers and names may stand side by side."""
    write(tmp_path, DATASET_FILE)
    mine = split(str(write(tmp_path, NAMED, "mine.toml")))
    assert (mine.train, mine.test) == ((0, 1, 2), (3, 4))
    assert mine.class_names == ("wave", "point", "sit down", "stand up", "clap")
    shipped = SPLIT.replace('"gestures"', '"demo"').replace("[3, 4]", '["squat", "clap"]')
    mine = split(str(write(tmp_path, shipped, "theirs.toml")))
    assert [classes_of(mine)[label] for label in mine.test] == ["squat", "clap"]
    draws = 'protocol = "exemplars"\ndraws = [{ train = ["wave"], test = ["clap", 1] }]'
    text = "\n".join(line for line in SPLIT.splitlines() if not line.startswith(("train", "test", "protocol")))
    (draw,) = split(str(write(tmp_path, f"{text}\n{draws}", "drawn.toml"))).draws
    assert (draw.train, draw.test) == ((0,), (4, 1))


LIST = 'Write a list of classes, each by its number from 0 on or by its name: [0, 1] or ["wave", "sit down"].'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"wave", ', '"wvae", ', "mine.toml: train: `wvae` is not a class. Did you mean `wave`?"),
        ("2]", "2.5]", f"mine.toml: train: `2.5` is neither the number nor the name of a class. {LIST}"),
        ("2]", "true]", f"mine.toml: train: `True` is neither the number nor the name of a class. {LIST}"),
        ('["stand up", "clap"]', '"clap"', f"mine.toml: test: `clap` is not a list. {LIST}"),
        ("2]", "0]", "mine.toml: classes of train and test and val: `0` is listed twice"),
        (
            '"gestures"',
            '"other"',
            "and the dataset file other.toml is not in its folder. Copy other.toml there, or give",
        ),
    ],
)
def test_a_class_that_a_split_cannot_name_is_explained(tmp_path: Path, old: str, new: str, words: str) -> None:
    write(tmp_path, DATASET_FILE)
    with pytest.raises(InvalidValue) as caught:
        split(str(write(tmp_path, NAMED.replace(old, new, 1), "mine.toml")))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ntu_t.toml", SPLIT, "a split is named after its file, and `ntu_t` ships already. Rename the file."),
        ("mine.toml", 'name = "x"' + SPLIT, "mine.toml: `name` is the file's name; remove the line"),
        ("mine.toml", SPLIT.replace("train", "trian"), "`trian` is not a key of Split. Did you mean `train`?"),
        ("mine.toml", SPLIT.replace("[3, 4]", "[2, 4]"), "mine.toml: classes of train and test"),
    ],
)
def test_a_mistake_in_a_split_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        split(str(write(tmp_path, text, name)))
    assert words in str(caught.value)


def test_an_absent_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"gone\.toml: cannot be read: "):
        split(str(tmp_path / "gone.toml"))
    assert layout("ntu25").name == "ntu25"
