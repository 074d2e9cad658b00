"""The processes that torchrun started: the only file that reads its environment and opens torch.distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.device import choose

if TYPE_CHECKING:
    import torch

    from zoo.engine.ranks import Ranks


class RanksError(Exception):
    """torchrun's environment does not fit this machine; the text names the remedy."""


@contextmanager
def ranks_and_device(name: str) -> Iterator[tuple[Ranks, torch.device]]:
    """The ranks of this run and the device of this one; a run that torchrun did not start has one rank.

    Under torchrun each rank of a machine takes the CUDA device of its number there; ranks on a CPU exchange by gloo.
    Raises RanksError when a machine has fewer devices than ranks.
    """
    from zoo.engine.ranks import ALONE, Ranks

    size = int(os.environ.get("WORLD_SIZE", "1"))
    device = choose(name)
    if size == 1:
        yield ALONE, device
        return
    import torch

    if device.type == "cuda":
        local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= there:
            rule = f"this machine has {there} CUDA devices and at least {local + 1} ranks"
            raise RanksError(f"{rule}. Start {there} of them (torchrun --nproc-per-node {there}).")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(torch.distributed.get_rank(), size), device
    finally:
        torch.distributed.destroy_process_group()
