"""The house rules that a machine can check: floors, siblings, lengths, heavy imports, letters, words, fresh tables."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.facts import dataset, names, published
from manifests.split_file import split
from prep.formats import importers
from zoo import registry
from zoo.experiment.graph import UnfitBackbone
from zoo.experiment.library import shipped
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ["manifests", "prep", "episodes", "zoo", "cli"]
SIBLINGS = [
    "prep/readers",
    "zoo/methods",
    "zoo/backbones",
    "zoo/pretrain",
    "prep/encoders",
    "prep/importers",
    "prep/video/decoders",
]
HEAVY = {
    "prep": {
        "torch",
        "cv2",
        "av",
        "dask",
        "distributed",
        "h5py",
        "matplotlib",
        "numba",
        "obstore",
        "decord",
        "transformers",
        "open_clip",
        "torchvision",
    },
    "episodes": {"zarr", "cv2", "numba", "dask"},
    "zoo": {"zarr", "cv2", "numba", "dask", "matplotlib"},
    "cli": {"zarr", "cv2", "numba", "dask", "torch", "numpy", "matplotlib"},
    "manifests": {"zarr", "cv2", "numba", "dask", "torch", "numpy", "pydantic"},
}
ALLOWED = {("prep/readers/_compile.py", "numba")}
LETTERS = {"B", "N", "K", "Q", "R", "M", "T", "L", "V", "E", "P", "C", "D", "X", "*batch", "*_", "_", "...", "1"}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 40


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Modules that import statements below `node` name, fully dotted."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom) and inner.module:
            yield from (f"{inner.module}.{alias.name}" for alias in inner.names)


def floor_of(module: str) -> int | None:
    first = module.split(".")[0]
    return FLOORS.index(first) if first in FLOORS else None


def climbs(name: str, modules: Iterator[str]) -> list[str]:
    """Imports of a file on floor `name` that lie above it."""
    own = FLOORS.index(name)
    return [module for module in modules if (floor := floor_of(module)) is not None and floor > own]


def test_imports_go_down() -> None:
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in FILES
        if (found := climbs(path.relative_to(ROOT).parts[0], imported(tree(path))))
    }
    assert not wrong
    assert climbs("prep", imported(ast.parse("from zoo.engine.train import train"))) == ["zoo.engine.train.train"]


def cousins(folder: str, path: Path, modules: Iterator[str]) -> list[str]:
    """Imports of other public files of the same folder."""
    room = folder.replace("/", ".") + "."
    return [
        module
        for module in modules
        if module.startswith(room)
        and not (name := module.removeprefix(room).split(".")[0]).startswith("_")
        and name != path.stem
    ]


@pytest.mark.parametrize("folder", SIBLINGS)
def test_siblings_do_not_know_each_other(folder: str) -> None:
    found = {path.name: cousins(folder, path, imported(tree(path))) for path in (ROOT / folder).glob("*.py")}
    assert not {name: modules for name, modules in found.items() if modules}
    planted = imported(ast.parse("from zoo.methods.dtw import Model"))
    assert cousins("zoo/methods", Path("dastm.py"), planted) == ["zoo.methods.dtw.Model"]


def top_level_imports(module: ast.Module) -> Iterator[str]:
    """Imports that run when the file is imported; those under TYPE_CHECKING do not."""
    for node in module.body:
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not guarded and isinstance(node, (ast.Import, ast.ImportFrom, ast.If, ast.Try)):
            yield from imported(node)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path in FILES:
        place = path.relative_to(ROOT)
        for module in top_level_imports(tree(path)):
            library = module.split(".")[0]
            heavy = library in HEAVY[place.parts[0]] and (str(place), library) not in ALLOWED
            assert not heavy, f"{place} imports {library} at the top; import it inside the function that uses it"


def test_only_the_room_of_the_store_knows_zarr() -> None:
    users = {
        str(path.parent.relative_to(ROOT))
        for path in FILES
        if any(module.split(".")[0] == "zarr" for module in imported(tree(path)))
    }
    assert users == {"prep/store"}


@pytest.mark.parametrize("module", ["cli.fsprep", "cli.fszoo"])
def test_help_is_quick_because_nothing_heavy_is_imported(module: str) -> None:
    script = (
        f"import sys, {module}; print(*[m for m in ('torch', 'zarr', 'numba', 'numpy', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    doc = first if ast.get_docstring(function) else None
    return function.end_lineno - function.lineno + 1 - ((doc.end_lineno - doc.lineno + 1) if doc else 0)  # type: ignore[operator]


def test_no_folder_has_a_name_that_tools_skip() -> None:
    """pytest, ruff and git's usual ignore lists pass over such folders without a word."""
    skipped = {"build", "_build", "dist", "venv", "node_modules", "site-packages"}
    folders = [path.relative_to(ROOT) for floor in (*FLOORS, "tests") for path in (ROOT / floor).rglob("*.py")]
    assert [str(path) for path in folders if skipped & set(path.parts)] == []


def test_files_and_functions_are_short() -> None:
    files = sorted(((len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in FILES), reverse=True)
    longest = sorted(
        ((code_lines(f), f"{path.relative_to(ROOT)}:{f.name}") for path in FILES for f in functions(tree(path))),
        reverse=True,
    )
    print(f"{len(files)} files, longest {files[:3]}; {len(longest)} functions, longest {longest[:3]}")
    assert [row for row in files if row[0] > LONGEST_FILE] == []
    assert [row for row in longest if row[0] > LONGEST_FUNCTION] == []


def test_everything_public_has_a_docstring() -> None:
    bare = []
    for path in FILES:
        module = tree(path)
        bare += [] if ast.get_docstring(module) else [str(path.relative_to(ROOT))]
        inner = {id(child) for f in functions(module) for child in ast.walk(f) if child is not f}
        for node in ast.walk(module):
            named = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            private = any(
                isinstance(c, ast.ClassDef) and c.name.startswith("_") and node in c.body for c in module.body
            )
            if named and not private and id(node) not in inner and not ast.get_docstring(node):  # type: ignore[arg-type]
                bare.append(f"{path.relative_to(ROOT)}:{node.name}")  # type: ignore[attr-defined]
    assert bare == []


def test_shapes_are_made_of_the_glossary() -> None:
    strange = set()
    for path in FILES:
        for shape in re.findall(r'(?:Float|Int|Bool|Shaped)\[Tensor, "([^"]*)"\]', path.read_text(encoding="utf-8")):
            strange |= {f"{path.relative_to(ROOT)}: {word}" for word in shape.split() if word not in LETTERS}
    assert strange == set()


def test_nothing_is_swallowed_or_left_for_later() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for word in ("NotImplementedError", "TODO", "FIXME", "pragma: no cover"):
            assert word not in text, f"{path}: {word}"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: bare except"
                assert not all(isinstance(line, ast.Pass) for line in node.body), f"{path}:{node.lineno}: except: pass"


def test_only_the_edge_reads_clocks_and_the_environment() -> None:
    for path in FILES:
        if path.relative_to(ROOT).parts[0] != "cli":
            found = [m for m in imported(tree(path)) if m.split(".")[0] in ("time", "datetime", "random")]
            assert not found, f"{path}: {found}"
            assert "os.environ" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in ("methods", "pretrain") for n in registry.names(k)])
def test_a_method_or_stage_has_code_test_and_recipe(kind: str, name: str) -> None:
    assert (ROOT / f"tests/zoo/{kind}/test_{name}.py").exists()
    assert any(resolve(recipe).method.name == name for recipe in shipped()), f"no recipe uses {name}"


@pytest.mark.parametrize("recipe", shipped())
def test_a_recipe_that_names_a_table_repeats_one_of_its_rows(recipe: str) -> None:
    """A new method needs no published number; a recipe that claims to repeat a paper's table does."""
    table = resolve(recipe).table
    rows = [row for row in published() if (row.table, row.recipe) == (table, recipe.removesuffix("_official"))]
    assert bool(rows) == bool(table)


@pytest.mark.parametrize("backbone", registry.names("backbones"))
def test_a_backbone_has_code_and_test(backbone: str) -> None:
    assert (ROOT / f"tests/zoo/backbones/test_{backbone}.py").exists()


@pytest.mark.parametrize("name", names("datasets"))
def test_a_data_set_has_reader_test_and_facts(name: str) -> None:
    data = dataset(name)
    for each in data.readers:
        # A data set may exist in an intermediate form only.
        room = "importers" if (ROOT / f"prep/importers/{each}.py").exists() else "readers"
        assert (ROOT / f"prep/{room}/{each}.py").exists()
        assert (ROOT / f"tests/prep/{room}/test_{each}.py").exists()
    without = ("ntu60", "ntu60_2d", "ntu120_2d", "pku_mmd_2")
    assert any(split(each).dataset == name for each in names("splits")) or name in without


@pytest.mark.parametrize("form", importers())
def test_an_importer_has_a_test(form: str) -> None:
    assert (ROOT / f"tests/prep/importers/test_{form}.py").exists()


def on_a_fit_backbone(name: str, on: str) -> Recipe:
    """A recipe on a split, on ST-GCN where it needs a graph and the split's protocol has another backbone."""
    try:
        return resolve(name, on)
    except UnfitBackbone:
        return resolve(name, on, ["backbone.name=stgcn"])


def test_every_recipe_resolves_on_every_split() -> None:
    read = [on_a_fit_backbone(name, on) for name in shipped() for on in ("", *names("splits"))]
    print(f"{len(shipped())} recipes read on {len(names('splits'))} splits")
    assert len(read) == len(shipped()) * (1 + len(names("splits")))
    assert len(shipped()) >= 4


def test_the_tables_of_the_readmes_are_fresh() -> None:
    from helpers.readme_tables import TABLES, rewritten

    for readme in sorted({place for place, _ in TABLES.values()}):
        assert (ROOT / readme).read_text(encoding="utf-8") == rewritten(readme), "run `make tables`"


# Home-made words, and the field's word for each. A test cannot judge prose; it can keep these out.
BANNED = {
    r"data sets?": "dataset",
    r"one's own": "your own",
    r"circulating": "published",
    r"made-up|invented": "synthetic",
    r"to the bit": "bit-identical",
    r"moving pictures?": "video stream",
    r"sightings?": "detections",
    r"strangers": "unmatched files",
    r"mended|mend": "fix",
    r"preparation recipes?": "preprocessing",
    r"StaleError": "KeyMismatch",
    r"stands? there twice": "is listed twice",
    r"is told|are told|was told": "is given",
    r"what is there|what there is": "say what it is",
    r"METHODS [A-H]\d|method card": "the paper",
}
PROSE = [*(ROOT / name for name in ("README.md", "Makefile", "pyproject.toml")), *ROOT.glob("*/*.md")]


def texts() -> Iterator[tuple[str, str]]:
    """Everything that a person reads: code, facts, help and READMEs; not the tests' own tables of words."""
    for path in [*FILES, *sorted(ROOT.glob("manifests/**/*.toml")), *sorted(ROOT.glob("zoo/**/*.toml")), *PROSE]:
        if path.is_file():
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def banned(text: str) -> list[str]:
    """The home-made words in a text, each with the field's word for it."""
    return [
        f"{match[0]!r} (say {word!r})"
        for pattern, word in BANNED.items()
        for match in re.finditer(rf"(?<![\w-])(?:{pattern})(?![\w-])", text)
    ]


def test_one_word_for_one_thing_and_it_is_the_fields_word() -> None:
    found = [f"{name}: {word}" for name, text in texts() for word in banned(text)]
    assert found == []
    assert banned("of one's own data set") == ["'data set' (say 'dataset')", "\"one's own\" (say 'your own')"]


def test_no_path_of_a_machine_stands_in_the_project() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    pattern = re.compile(r"(?<![\w.])/(?:home|root|tmp|work)/\w")
    found = [
        name
        for name in tracked
        if (ROOT / name).is_file()
        and not name.startswith("tests/")
        and pattern.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []
