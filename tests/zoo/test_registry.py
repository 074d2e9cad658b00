"""Looking up methods, stages and backbones; what a user's own file must have."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import registry
from zoo.registry import RegistryError


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


def test_your_own_file_is_a_method_stage_or_backbone_by_its_base(tmp_path: Path) -> None:
    for base, module, kind in (
        ("Method", "methods", "methods"), ("Stage", "pretrain", "pretrain"), ("Backbone", "backbones", "backbones")
    ):  # fmt: skip
        name = written(tmp_path, f"from zoo.{module} import {base}\nclass Model({base}):\n    width = 1\n")
        entry = registry.backbone(name) if kind == "backbones" else registry.learner(name)
        assert (entry.kind, entry.name, entry.options, len(entry.digest)) == (kind, "mine", registry.NoOptions, 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "has no class `Model` that derives from Method (from zoo.methods) or Stage"),
        ("class Model:\n    pass\n", "has no class `Model` that derives from Method"),
        ("import nothing_of_that_name\n", "mine.py: line 1, its import raises ModuleNotFoundError"),
        ("def broken(:\n", "mine.py: line 1, its import raises SyntaxError"),
        (
            "from zoo.methods import Method\nclass Model(Method):\n    pass\nclass Options:\n    pass\n",
            "`Options` must be a frozen dataclass whose fields have defaults",
        ),
    ],
)
def test_what_a_file_lacks_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RegistryError) as raised:
        registry.learner(written(tmp_path, text))
    assert words in str(raised.value)


def test_a_name_that_ships_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"`protonet` ships\. Rename the file"):
        registry.learner(written(tmp_path, "", "protonet.py"))
    with pytest.raises(RegistryError, match="there is no such file"):
        registry.learner(str(tmp_path / "absent.py"))


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(RegistryError, match=r"`protonett` is not a method or pre-training stage\. Did you"):
        registry.learner("protonett")
    with pytest.raises(RegistryError, match=r"`stgcm` is not a backbone\. Did you mean `stgcn`"):
        registry.backbone("stgcm")
