"""Memory of one process: freed arrays go back to the system.

glibc takes large arrays from the system one by one, and smaller ones from a heap that only shrinks at its end. What is
large, it raises to the size of whatever was freed, up to 32 MB. The arrays of one training step are some megabytes to
some hundred: the heap they left behind was as large as themselves. A step of 5 ways, 5 shots and 50 queries on ST-GCN
had a peak of 6.6 GB, or 3.6 with a fixed limit of 16 MB, in the same processor time (PAINet); and 3.9 GB, or 2.2 in an
eighth more processor time (DASTM).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

LARGE = 16 * 2**20
# <malloc.h>
M_MMAP_THRESHOLD = -3
VARIABLE = "MALLOC_MMAP_THRESHOLD_"


def configure(environment: Mapping[str, str] = os.environ) -> bool:
    """Fix what glibc counts as large at 16 MB, unless the user has set it; whether that was done. Other C libraries
    have no such setting."""
    if VARIABLE in environment or "GLIBC_TUNABLES" in environment:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_MMAP_THRESHOLD, LARGE) == 1
