"""Compilation with numba, cached on disk where a folder for it can be written.

numba compiles a function again when the file that defines it changes, but not when another file does. A file with
compiled functions must therefore define everything they use, functions and constants; a test checks this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, for any number of threads at once; 1 / 0 is infinite, as in numpy.

    Without a writable folder for the cache, every process compiles again (about five seconds).
    """
    return _compile(function, forceinline=False)


def inlined(function: Function) -> Function:
    """As `compiled`, copied into its callers: LLVM calls small functions where copying is a third faster."""
    return _compile(function, forceinline=True)


def _compile(function: Function, forceinline: bool) -> Function:
    try:
        result: Any = njit(cache=True, nogil=True, error_model="numpy", forceinline=forceinline)(function)
    except RuntimeError as error:
        # The folder of the code and the user's cache folder are read-only, as in many containers.
        if "cannot cache function" not in str(error):
            raise
        result = njit(nogil=True, error_model="numpy", forceinline=forceinline)(function)
    return cast(Function, result)
