"""Every command line and every Python example of the READMEs runs, in one small workspace.

A `$` line of a ```console block is typed as it stands: placeholders such as STORE become paths, `>` writes a file, and
long work is shortened by appended options. What needs data that no machine of the tests has is typed too, and must be
refused with the remedy, so that a renamed command or option fails here. A ```python or ```toml block whose paragraph
names `my_....py` or `my_....toml` is written to that file; any other Python block is executed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from helpers.shell import TOOLS, Shell

from prep.store.read import open_store
from zoo import registry

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("prep", "episodes", "zoo", "cli", "manifests")
READMES = [ROOT / "README.md", *sorted(page for floor in FLOORS for page in (ROOT / floor).glob("*.md"))]
STORE = "demo-home/stores/demo-agcn.zarr"
PLACEHOLDERS = {
    "STORE": STORE,
    "A": STORE,
    "B": STORE,
    "C": STORE,
    "ALL": "all.zarr",
    "RAW": "demo-home/raw/demo",
    "RUN": "run",
    "RUN_OF_A_STAGE": "stage",
    "URL": "recipe",
    "s3://bucket/ntu.zarr": "shared",
    "https://host/ntu.zarr": "shared",
    "nturgb+d_rgb": "films/nturgb+d_rgb",
}
SHORT = ("data.frames=8", "budget.test_episodes=2", "task.queries_per_class=1")
SHORT_METHOD = (
    *SHORT,
    "budget.episodes=2",
    "budget.episodes_per_epoch=2",
    "budget.validation_episodes=2",
    'init.settings=["budget.epochs=1", "budget.batch=32"]',
)
STAGES = (*registry.names("pretrain"), "my_stage.py")
TEACHER = "--encoder demo_teacher --weights WORKSPACE/weights/demo_teacher.safetensors"
# Line -> words of the refusal: what needs a dataset that nobody may pass on, weights, or a cluster.
REFUSED = {
    "fsprep build ntu120 --subset ntu_t": "there is no such folder or file",
    "fsprep build ntu120 --preprocessing agcn": "there is no such folder or file",
    "fsprep build ntu120 --scheduler tcp://host:8786": "no Dask scheduler answers there",
    "fsprep build ntu120 --from ctrgcn_npz NTU120_CSub.npz": "NTU120_CSub.npz: there is no such folder or file",
    "fsprep build ntu120 --from ctrgcn_npz NTU120_CSub.npz --option names=available.txt --option split=xsub": (
        "NTU120_CSub.npz: there is no such folder or file"
    ),
    "fsprep embed-videos --store STORE --videos nturgb+d_rgb --encoder xclip": "could not be downloaded",
    "fsprep embed-text --store STORE --encoder xclip --prompts person": "could not be downloaded",
    "fsprep train-teacher": "every base class needs 5 usable videos",
    f"fsprep embed-videos {TEACHER}": "demo_teacher.safetensors",
    f"fsprep embed-text {TEACHER}": "demo_teacher.safetensors",
    "fszoo train crossmodal --data demo --set data.embedding=demo_teacher": "fsprep embed-videos",
    "fszoo replay RUN": "no loss of this run was infinite or NaN",
    "fszoo train dastm": "Build it: `fsprep build ntu120 --subset ntu_t`",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that the paragraph before it names ("" for none), and its text."""

    readme: Path
    language: str
    file: str
    text: str


def blocks(readme: Path) -> Iterator[Block]:
    text = readme.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        paragraph = text[: match.start()].rstrip().rpartition("\n\n")[2]
        named = re.findall(r"`(my_\w+\.(?:py|toml))`", paragraph)
        file = named[-1] if named and match[1] in ("python", "toml") else ""
        yield Block(readme, match[1], file, match[2])


BLOCKS = [block for readme in READMES for block in blocks(readme)]
EXAMPLES = [block for block in BLOCKS if block.language == "python" and not block.file]
FILES = {block.file: block.text for block in BLOCKS if block.file}
# Every line once, without its comment.
LINES = list(
    dict.fromkeys(
        line.removeprefix("$ ").partition("  #")[0].strip()
        for block in BLOCKS
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    )
)


def words_of(line: str) -> list[str]:
    """The words of a line, with placeholders filled in and long work shortened."""
    words = []
    for word in shlex.split(line):
        key, sign, value = word.rpartition("=")
        words.append(key + sign + PLACEHOLDERS.get(value, value))
    command, settings = tuple(words[:2]), tuple[str, ...]()
    if command == ("fszoo", "train"):
        settings = (*SHORT, "budget.epochs=1") if words[2] in STAGES else SHORT_METHOD
    elif command == ("fszoo", "sweep"):
        settings = SHORT_METHOD
    elif command == ("fszoo", "bench") and len(words) > 2:
        settings = (*SHORT, "budget.episodes=2", "budget.validation_episodes=2")
    elif command == ("fszoo", "eval"):
        settings = ("budget.test_episodes=2",)
    elif command == ("fsprep", "demo"):
        words += ["--clips", "24", "--out", "films"] if "--videos" in words else ["--clips", "168"]
    elif command in (("fsprep", "build"), ("fsprep", "rebuild"), ("fsprep", "embed-videos")):
        words += ["--workers", "1", *(["--out", "mine.zarr"] if "mine.toml" in words else [])]
    return words + [word for setting in settings for word in ("--set", setting)]


def typed(line: str) -> Result:
    """Type a line of fsprep or fszoo."""
    words = words_of(line)
    words, output = (words[: words.index(">")], words[words.index(">") + 1]) if ">" in words else (words, "")
    done = Shell()(words)
    if output:
        Path(output).write_text(done.stdout, encoding="utf-8")
    return done


def fault(line: str) -> str:
    """Run one line; what is wrong with it, or ""."""
    program, _, rest = line.partition(" ")
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return "" if rest in targets else f"`{rest}` is not a target of the Makefile"
    if program not in TOOLS:
        return f"`{program}` is not a program of this project"
    done = typed(line)
    if line not in REFUSED:
        return "" if done.exit_code == 0 else f"exit status {done.exit_code}: {done.output}{done.exception!r}"
    refusal = done.stderr if done.exit_code == 2 and done.stderr.startswith("Error: ") else ""
    return "" if REFUSED[line] in refusal else f"exit status {done.exit_code}, not refused as expected: {done.output}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to type in: the READMEs' own files, a demo with store and vectors, a shared store, two finished runs."""
    here = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        enter(here, patch)
        for file, text in FILES.items():
            Path(file).write_text(text, encoding="utf-8")
        Path("clips").mkdir()
        for action in (1, 2, 3):
            np.save(f"clips/a{action}_s1_e1.npy", np.random.default_rng(action).random((9, 20, 3), np.float32) + 1)
        for line in (
            "fsprep validate --example > mine.toml",
            "fsprep demo --videos",
            "fsprep demo",
            "fsprep build demo",
            "fsprep push STORE https://host/ntu.zarr",
            "fsprep push STORE URL --recipe-only",
            "fsprep embed-videos --encoder tiny --videos nturgb+d_rgb",
            "fsprep embed-text --encoder tiny",
            "fszoo train protonet --data demo --out run",
            "fszoo train supervised --data demo --out stage",
        ):
            assert not fault(line), fault(line)
        Path("films/nturgb+d_rgb").rename("demo-home/raw/demo/nturgb+d_rgb")
        Path("films/nturgb+d_rgb").symlink_to(here / "demo-home/raw/demo/nturgb+d_rgb")
        names = open_store(STORE).names
        np.savez("features.npz", names=np.array(names), video=np.ones((len(names), 3), np.float32))
    return here


def enter(here: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in this folder, without a connection."""

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no connection")

    patch.chdir(here)
    patch.setenv("FSPREP_HOME", str(here / "demo-home"))
    patch.setattr("huggingface_hub.hf_hub_download", unreachable)
    patch.setattr("distributed.Client", unreachable)


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(folder, monkeypatch)
    return folder


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_line_of_the_readmes_runs(line: str, here: Path) -> None:
    assert fault(line) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda block: f"{block.readme.relative_to(ROOT)}")
def test_a_python_example_of_the_readmes_runs(example: Block, here: Path) -> None:
    short = ", ".join(f"{setting!r}" for setting in SHORT_METHOD)
    code = example.text.replace('"budget.episodes=100"', short)
    exec(compile(code, str(example.readme), "exec"), {})


def test_a_wrong_line_is_caught(here: Path) -> None:
    for line in (
        "make dmeo",
        "pip install fewshot",
        "fsprep biuld demo",
        "fszoo train protonet --dataa demo",
        "fszoo train protonet --data demo --set task.shto=5",
        "fszoo eval nowhere",
    ):
        assert fault(line), line


def test_a_refusal_for_another_reason_is_caught(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in ("fszoo trian dastm", "fsprep build ntu120 --subst ntu_t", "fsprep where"):
        monkeypatch.setitem(REFUSED, line, "no such")
        assert fault(line), line


def test_the_tables_above_have_no_stale_entry() -> None:
    assert set(REFUSED) <= set(LINES)
    text = "\n".join(LINES)
    assert [word for word in PLACEHOLDERS if word not in text] == []
    assert [file for file in FILES if file not in text] == []
    assert all(block.readme.is_file() for block in BLOCKS)


def test_links_of_the_readmes_exist() -> None:
    links = [
        (readme, link)
        for readme in READMES
        for link in re.findall(r"\]\(([^)#\s]+)\)", readme.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    assert len(links) >= len(READMES)
    assert [(str(readme), link) for readme, link in links if not (readme.parent / link).exists()] == []


def test_paths_in_the_readmes_exist() -> None:
    """Words in backticks that look like a file of the project; x, X and NAME stand for any name."""
    shaped = re.compile(r"`((?:manifests|prep|episodes|zoo|cli|tests)/[\w./-]+)`")
    paths = {path for readme in READMES for path in shaped.findall(readme.read_text(encoding="utf-8"))}
    wild = re.compile(r"\b(?:x|test_x|NAME|SPLIT)\.(?:py|toml)$")
    absent = [path for path in paths if not (ROOT / (Path(path).parent if wild.search(path) else path)).exists()]
    assert absent == []


@pytest.mark.parametrize("program", TOOLS)
def test_every_command_is_in_the_readme_of_cli(program: str) -> None:
    text = (ROOT / "cli" / "README.md").read_text(encoding="utf-8")
    table = text.split(f"| `{program}` | |\n")[1].split("\n\n")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)
    assert sorted(listed) == TOOLS[program].list_commands(click.Context(TOOLS[program]))
