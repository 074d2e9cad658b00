"""A user's own .py file as a module. Its code is executed, as the user asked by naming it."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


class UserCodeError(ValueError):
    """A user's file cannot be used; the text names the file, the line and the remedy."""


@dataclass(frozen=True)
class UserModule:
    """An executed file: its path, its module, and the sha256 of the bytes that were executed."""

    path: Path
    module: ModuleType
    digest: str


def is_user_code(name: str) -> bool:
    """Whether a name is the path of a .py file rather than the name of a shipped one.

    >>> is_user_code("my_method.py"), is_user_code("protonet")
    (True, False)
    """
    return name.endswith(".py")


def load_module(path: Path) -> UserModule:
    """Execute a file and return its module. Raises UserCodeError when it is absent, misnamed or raises an error.

    The bytes on disk are executed, never an older compiled copy of them.
    """
    if not path.is_file():
        raise UserCodeError(f"{path}: there is no such file.")
    if not path.stem.isidentifier():
        raise UserCodeError(f"{path}: `{path.stem}` is not a valid name. Use letters, digits and `_`.")
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    module = ModuleType(f"user_code_{path.stem}_{digest[:8]}")
    module.__file__ = str(path)
    # Dataclasses look up the module of a class by its name.
    sys.modules[module.__name__] = module
    with blamed(path, "its import"):
        exec(compile(source, str(path), "exec"), module.__dict__)
    return UserModule(path, module, digest)


@contextmanager
def blamed(path: Path, call: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a UserCodeError that names the file and the line."""
    try:
        yield
    except UserCodeError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = lines[-1] if lines else getattr(error, "lineno", None)
        line = f" line {where}," if where else ""
        raise UserCodeError(f"{path}:{line} {call} raises {type(error).__name__}: {error}") from error
