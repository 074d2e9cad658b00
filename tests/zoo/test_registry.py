"""Looking up methods, stages and backbones; what a user's own file must have."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_type_hints

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
        assert (entry.kind, entry.name, len(entry.digest)) == (kind, "mine", 64)
        assert registry.kind_of(name, "backbones", "methods", "pretrain") == kind
        assert issubclass(entry.options, registry.NoOptions)


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


def test_options_that_do_not_exist_are_named_with_their_file(tmp_path: Path) -> None:
    name = written(tmp_path, "from zoo.methods import Method\nclass Model(Method):\n    pass\n")
    options = registry.learner(name).options()
    with pytest.raises(RegistryError, match=r"mine\.py: uses `options\.scale`, but has no class `Options`\. Write a"):
        _ = options.scale
    assert copy.deepcopy(options) == options


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in registry.KINDS for name in registry.names(kind)])
def test_options_without_an_import_are_those_with_one(kind: str, name: str) -> None:
    light, loaded = registry.options_of(name, kind), registry.find(name, kind).options
    assert asdict(light()) == asdict(loaded())
    assert get_type_hints(light) == get_type_hints(loaded)
    assert [(each.name, dict(each.metadata)) for each in fields(light)] == [
        (each.name, dict(each.metadata)) for each in fields(loaded)
    ]
    assert getattr(light, "__doc__", "") == getattr(loaded, "__doc__", "")


def test_options_keep_the_checks_of_their_file() -> None:
    with pytest.raises(ValueError, match="block `residual_ln` needs activation `aligned`"):
        registry.options_of("dastm", "methods")(block="residual_ln")


def test_no_library_is_loaded_for_options() -> None:
    script = "import sys; from zoo import registry as r\n[r.options_of(n, k) for k in r.KINDS for n in r.names(k)]\n"
    script += "print([name for name in ('torch', 'numpy', 'jaxtyping') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
