"""Threads of one process: how many, and how they wait. The only file that asks the system for processors and load.

torch's wheels for Linux bring GNU's OpenMP runtime, those for macOS LLVM's. Idle threads of both wait in a busy loop,
which takes a processor from whoever else runs: with one busy neighbour on two processors, training ran at a quarter of
its speed. Both runtimes read their settings when they are loaded, so these are made before torch is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, MutableMapping
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CPUS = Path("/sys/devices/system/cpu")
PROC = Path("/proc")
# The load average moves over a minute: below IDLE nothing has run for some seconds; above it, what runs now is measured
# for SAMPLE seconds.
IDLE, SAMPLE = 0.05, 0.1
# OMP_WAIT_POLICY is read by both runtimes; KMP_BLOCKTIME is LLVM's and Intel's: milliseconds before a thread sleeps.
WAITING = {"OMP_WAIT_POLICY": ("PASSIVE", ("GOMP_SPINCOUNT",)), "KMP_BLOCKTIME": ("0", ("OMP_WAIT_POLICY",))}


def configure(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep, and take as many as there are free processors.

    What the user has set stays: OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME. torchrun sets
    OMP_NUM_THREADS for its ranks.
    """
    own = set(environment)
    for name, (value, instead) in WAITING.items():
        if not own & {name, *instead}:
            environment[name] = value
    if "OMP_NUM_THREADS" not in own:
        environment["OMP_NUM_THREADS"] = str(free())


def free() -> int:
    """How many threads to use: physical cores of this process, its cgroup's quota, and what others leave; at least 1.

    A core with two hardware threads counts once: both would wait for the same arithmetic units.
    """
    allowed = cores(_affinity())
    limit = quota(PROC / "self" / "cgroup", CGROUPS)
    everywhere = cores(range(os.cpu_count() or 1))
    return max(1, min(allowed, round(limit) if limit else allowed, everywhere - round(_others())))


def cores(processors: Iterable[int], cpus: Path = CPUS) -> int:
    """The number of physical cores of some processors; every processor counts where the system does not say."""
    return len(
        {_siblings(cpus / f"cpu{number}" / "topology" / "thread_siblings_list", number) for number in processors}
    )


def quota(membership: Path, cgroups: Path) -> float:
    """How many processors the cgroups of this process may use at once, versions 1 and 2; 0 where nothing limits it.

    `membership` is /proc/self/cgroup, `cgroups` where their files are. The smallest limit of a cgroup and those above
    it counts. In a container the paths may be those of the host; then the root of `cgroups` is the container's own.
    """
    limits = []
    for line in _text(membership).splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        root = cgroups if number == "0" else cgroups / "cpu"
        below = Path(path.lstrip("/"))
        limits += [_limit(root / folder) for folder in (below, *below.parents)]
    return min((limit for limit in limits if limit), default=0.0)


def busy(before: str, after: str) -> float:
    """How many processors worked between two readings of /proc/stat.

    >>> busy("cpu  10 0 10 100 0 0 0 0 0 0\\ncpu0 \\ncpu1 ", "cpu  20 0 10 110 0 0 0 0 0 0\\ncpu0 \\ncpu1 ")
    1.0
    """
    first, last = ([int(word) for word in text.split("\n", 1)[0].split()[1:9]] for text in (before, after))
    passed = [now - then for then, now in zip(first, last, strict=True)]
    processors = sum(line.startswith("cpu") for line in after.splitlines()) - 1
    idle = passed[3] + passed[4]
    return processors * (1 - idle / sum(passed)) if sum(passed) else 0.0


def _others() -> float:
    """How many processors others use now; the load average where the system does not say. This process sleeps."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    before = _text(PROC / "stat")
    if load < IDLE or not before:
        return load
    time.sleep(SAMPLE)
    return busy(before, _text(PROC / "stat"))


def _affinity() -> Iterable[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _siblings(file: Path, number: int) -> str:
    return _text(file).strip() or str(number)


def _limit(group: Path) -> float:
    """Processors that one cgroup may use; 0 for no limit, or where the folder is not visible."""
    two = _text(group / "cpu.max").split() or ["max", "1"]
    one = [_text(group / f"cpu.cfs_{name}_us").strip() or "-1" for name in ("quota", "period")]
    share, period = two if two[0] != "max" else one
    return int(share) / int(period) if int(share) > 0 and int(period) > 0 else 0.0


def _text(file: Path) -> str:
    """The text of a file of the system; "" where this system does not have it."""
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""
