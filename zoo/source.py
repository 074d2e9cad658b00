"""A class of a shipped file, without the libraries that the file imports.

The Options of a method stand in the file of the method, which imports torch: seconds, to print a recipe. Here only
those statements of the file are executed that the class needs: itself, and whatever defines the names in it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

# Names of this package are taken from their files in the same way; other libraries are imported.
PACKAGE = "zoo."


@cache
def defined(module: str, name: str) -> Any:
    """What `name` is in a module of zoo, or None where the module does not define it.

    A class is equal in its fields, defaults and checks to the one that an import gives, and is another class.
    """
    # Not importlib's way to the file: that imports the package above it.
    file = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
    file = file if file.is_file() else file.with_suffix("") / "__init__.py"
    binding = dict(pair for node in ast.parse(file.read_bytes()).body for pair in _bound(node))
    if name not in binding:
        return None
    part = ModuleType(f"{module}:{name}")
    # Dataclasses and type hints look up the module of a class by its name.
    sys.modules[part.__name__] = part
    for node in sorted(_needed(name, binding), key=lambda node: node.lineno):
        _execute(node, part, file)
    return getattr(part, name)


def _needed(name: str, binding: dict[str, ast.stmt]) -> set[ast.stmt]:
    """The statement that binds a name, and those that bind the names in it, and so on."""
    found: set[ast.stmt] = set()
    names = [name]
    while names:
        node = binding.get(names.pop())
        if node is not None and node not in found:
            found.add(node)
            # What is read: a field may have the name of something that the module imports.
            inside = (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))
            names += [inner.id for inner in inside if isinstance(inner.ctx, ast.Load)]
    return found


def _execute(node: ast.stmt, part: ModuleType, file: Path) -> None:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
        value = defined(str(node.module), node.names[0].name)
        if value is not None:
            setattr(part, node.names[0].asname or node.names[0].name, value)
            return
    future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
    body = ast.fix_missing_locations(ast.Module([future, node], []))
    exec(compile(body, str(file), "exec"), part.__dict__)


def _bound(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """The names that a statement of a module binds, each with the statement; an import with the part for that name."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield node.name, node
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            single: ast.stmt = ast.Import([alias])
            if isinstance(node, ast.ImportFrom):
                single = ast.ImportFrom(node.module, [alias], node.level)
            yield alias.asname or alias.name.split(".")[0], ast.copy_location(single, node)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
        yield from ((name, node) for name in names)
