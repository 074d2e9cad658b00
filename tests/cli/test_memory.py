"""Freed arrays go back to the system, unless the user has set the C library's own variables."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from cli import memory

# Arrays of 24 MB, freed in an order that leaves the last one alive: a heap could not shrink.
SCRIPT = """
import sys
from pathlib import Path
from cli import memory
if sys.argv[1] == "fixed":
    assert memory.configure({})
for _ in range(3):
    arrays = [bytearray(24 * 2**20) for _ in range(20)]
    last, arrays = bytearray(20 * 2**20), None
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")))
"""


def megabytes(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
@pytest.mark.slow
def test_freed_arrays_do_not_stay() -> None:
    assert megabytes("fixed") < 150
    # Where the random layout of a process leaves the heap no room to grow, glibc has no heap to shrink.
    assert max(megabytes("as it is") for _ in range(4)) > 2 * megabytes("fixed")


@pytest.mark.parametrize("variable", [memory.VARIABLE, "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(variable: str) -> None:
    assert not memory.configure({variable: "1"})
