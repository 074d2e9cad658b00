"""Compiled functions: never stale, and usable where nothing can be cached."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import prep.readers
from prep.readers import _scanner
from prep.readers._compile import compiled, inlined

COMPILED = [
    path for path in sorted(Path(prep.readers.__file__).parent.glob("*.py")) if "@compiled" in path.read_text("utf-8")
]
SCAN = """
import numpy as np, scanner
text = np.frombuffer(b"1,5 2\\n\\0", np.uint8)
print(scanner.scan_lines(text, np.zeros(4, np.float32), np.zeros(2, np.int64), 1e12)[0] == scanner.FINE)
"""


def test_there_are_compiled_modules() -> None:
    assert {path.stem for path in COMPILED} == {"_link", "_scanner"}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_a_file_with_compiled_functions_defines_all_that_they_use(path: Path) -> None:
    """numba caches by the file that defines a function: what it takes from other files may be an old version."""
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    own = {alias.name for node in imports if (node.module or "").startswith("prep") for alias in node.names}
    assert own <= {"compiled", "inlined"}


@pytest.mark.slow
def test_an_edit_of_the_number_parser_reaches_the_scanners(tmp_path: Path) -> None:
    source = Path(_scanner.__file__).read_text("utf-8")
    signs, comma = r'"\n +-./09aen"', r'"\n +-,/09aen"'
    assert source.count(signs) == 1
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{tmp_path}:{Path(prep.readers.__file__).parents[2]}",
    }
    for text, accepted in ((source, "False"), (source, "False"), (source.replace(signs, comma), "True")):
        (tmp_path / "scanner.py").write_text(text, "utf-8")
        run = subprocess.run([sys.executable, "-c", SCAN], env=environment, capture_output=True, text=True)
        assert (run.stdout, run.stderr) == (f"{accepted}\n", "")
    assert list((tmp_path / "__pycache__").glob("scanner.scan_lines*.nbi"))


def test_without_a_writable_cache_functions_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    def double(number: int) -> int:
        return 2 * number

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    assert compiled(double)(4) == inlined(double)(4) == 8


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_options: object) -> None:
        raise RuntimeError("out of registers")

    monkeypatch.setattr("prep.readers._compile.njit", broken)
    with pytest.raises(RuntimeError, match="out of registers"):
        compiled(len)
